BEGIN TRANSACTION;
CREATE TABLE audit (
	audit_id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	who TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (audit_id)
);
CREATE TABLE call_number (
	number BIGINT NOT NULL, 
	call_id BLOB NOT NULL, 
	version BIGINT NOT NULL, 
	started_at BIGINT, 
	PRIMARY KEY (number, call_id, version)
)
 WITHOUT ROWID

;
INSERT INTO "call_number" VALUES(201,X'004E2000000000000000000000000001',1,1728036000000);
INSERT INTO "call_number" VALUES(301234,X'004E2000000000000000000000000001',1,1728036000000);
INSERT INTO "call_number" VALUES(49301234,X'004E2000000000000000000000000001',1,1728036000000);
CREATE TABLE call_version (
	call_id BLOB, 
	version BIGINT, 
	leg_ids BLOB, 
	leg_count BIGINT, 
	joins TEXT, 
	merge_version BIGINT, 
	started_at BIGINT, 
	answered_at BIGINT, 
	ended_at BIGINT, 
	site_zone TEXT, 
	ring_ms BIGINT, 
	queue_ms BIGINT, 
	hold_ms BIGINT, 
	talk_ms BIGINT, 
	direction TEXT, 
	class TEXT, 
	disposition TEXT, 
	calling TEXT, 
	called TEXT, 
	calling_e164 BIGINT, 
	called_e164 BIGINT, 
	first_destination TEXT, 
	final_destination TEXT, 
	site_uid TEXT, 
	pbx_uids TEXT, 
	trunk_in TEXT, 
	trunk_out TEXT, 
	transfers BIGINT, 
	state TEXT, 
	superseded_by BLOB, 
	flags BIGINT, 
	extension TEXT, 
	person_uid TEXT, 
	department_uid TEXT, 
	cost_center_uid TEXT, 
	account_code TEXT, 
	directory_version BIGINT, 
	totals TEXT, 
	live INTEGER NOT NULL
);
INSERT INTO "call_version" VALUES(X'004E2000000000000000000000000001',1,X'004E2000000000000000000000000001',1,'[]',1,1728036000000,NULL,1728036060000,'Europe/Berlin',NULL,NULL,NULL,60000,'outbound','national','answered','201','0301234',NULL,49301234,'0301234','0301234','berlin','["hq"]',NULL,NULL,0,'complete',NULL,0,'201','ada','sales',NULL,NULL,1,'[{"price_list":"carrier","currency":"EUR","amount_nanos":100,"unrated":0},{"price_list":"internal","currency":"EUR","amount_nanos":200,"unrated":0}]',1);
CREATE TABLE charge (
	charge_id BLOB, 
	call_id BLOB, 
	call_version BIGINT, 
	span BIGINT, 
	price_list TEXT, 
	payer TEXT, 
	entry TEXT, 
	reverses BLOB, 
	reason TEXT, 
	amount_nanos BIGINT, 
	currency TEXT, 
	tariff_uid TEXT, 
	tariff_version BIGINT, 
	rated_at BIGINT, 
	start_at BIGINT, 
	quantity_ms BIGINT, 
	rated_quantity_ms BIGINT, 
	prefix TEXT, 
	rate_row BIGINT, 
	segments TEXT, 
	connect_fee_nanos BIGINT, 
	minimum_applied BOOLEAN, 
	cap_applied BOOLEAN, 
	rounding_mode TEXT, 
	rounding_places BIGINT, 
	exact_numerator BIGINT, 
	exact_denominator BIGINT, 
	exact TEXT, 
	status TEXT, 
	answer_known BOOLEAN
);
INSERT INTO "charge" VALUES(X'004E20512A5DB77ED7BA016A93C1E8B6',X'004E2000000000000000000000000001',1,0,'carrier','201','charge',NULL,NULL,100,'EUR','telco',1,1728036060000,1728036000000,60000,60000,'49',1,'[]',0,0,0,'half_even',4,1,10,NULL,'rated',1);
INSERT INTO "charge" VALUES(X'004E204F113612D53C902A7E57600CDA',X'004E2000000000000000000000000001',1,0,'internal','201','charge',NULL,NULL,200,'EUR','telco',1,1728036060000,1728036000000,60000,60000,'49',1,'[]',0,0,0,'half_even',4,1,10,NULL,'rated',1);
CREATE TABLE claim (
	consumer TEXT NOT NULL, 
	topic_id TEXT NOT NULL, 
	partition BIGINT NOT NULL, 
	generation BIGINT NOT NULL, 
	next_offset BIGINT NOT NULL, 
	data_time BIGINT, 
	PRIMARY KEY (consumer, topic_id, partition)
);
CREATE TABLE control_total (
	site_uid TEXT NOT NULL, 
	day BIGINT NOT NULL, 
	stage TEXT NOT NULL, 
	count BIGINT NOT NULL, 
	PRIMARY KEY (site_uid, day, stage)
)
 WITHOUT ROWID

;
INSERT INTO "control_total" VALUES('berlin',20000,'merged',1);
INSERT INTO "control_total" VALUES('berlin',20000,'parsed',2);
INSERT INTO "control_total" VALUES('berlin',20000,'rated',1);
INSERT INTO "control_total" VALUES('berlin',20000,'received',2);
CREATE TABLE counter (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE directory_version (
	version BIGINT NOT NULL, 
	checksum TEXT NOT NULL, 
	files BLOB NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	PRIMARY KEY (version)
);
CREATE TABLE duplicate (
	stream_id BIGINT, 
	incarnation BIGINT, 
	seq BIGINT, 
	record_crc BIGINT, 
	cdr_id BLOB, 
	pbx_uid TEXT, 
	site_uid TEXT, 
	link_uid TEXT, 
	connection BIGINT, 
	n BIGINT, 
	raw BLOB, 
	received_at BIGINT, 
	state TEXT, 
	made_cdr_id BLOB
);
CREATE TABLE job (
	job_id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	progress TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (job_id), 
	UNIQUE (name)
);
CREATE TABLE leg (
	cdr_id BLOB, 
	pbx_uid TEXT, 
	site_uid TEXT, 
	link_uid TEXT, 
	stream_id BIGINT, 
	incarnation BIGINT, 
	seq BIGINT, 
	connection BIGINT, 
	n BIGINT, 
	record_crc BIGINT, 
	dialect_id TEXT, 
	dialect_version BIGINT, 
	identity_version BIGINT, 
	native_key TEXT, 
	join_keys BLOB, 
	join_at BIGINT, 
	join_gap_ms BIGINT, 
	flags BIGINT, 
	raw BLOB, 
	raw_context_id BIGINT, 
	setup_at BIGINT, 
	answer_at BIGINT, 
	release_at BIGINT, 
	received_at BIGINT, 
	ingested_at BIGINT, 
	site_zone TEXT, 
	ring_ms BIGINT, 
	queue_ms BIGINT, 
	hold_ms BIGINT, 
	talk_ms BIGINT, 
	duration_ms BIGINT, 
	calling_number TEXT, 
	called_number TEXT, 
	connected_number TEXT, 
	redirecting_number TEXT, 
	calling_e164 BIGINT, 
	called_e164 BIGINT, 
	connected_e164 BIGINT, 
	redirecting_e164 BIGINT, 
	calling_extension TEXT, 
	called_extension TEXT, 
	calling_name TEXT, 
	called_name TEXT, 
	agent_id TEXT, 
	direction TEXT, 
	class TEXT, 
	trunk_in TEXT, 
	trunk_out TEXT, 
	trunk_group_in TEXT, 
	trunk_group_out TEXT, 
	route_code TEXT, 
	account_code TEXT, 
	authorization_code TEXT, 
	condition_code TEXT, 
	cause_code BIGINT, 
	disposition TEXT, 
	leg_role TEXT, 
	piece_of TEXT, 
	jitter_ms BIGINT, 
	loss_ratio FLOAT, 
	mos FLOAT, 
	codec TEXT
);
INSERT INTO "leg" VALUES(X'004E2000000000000000000000000001','hq','berlin','hq-1',7,11,1,1,1,1001,'avaya_cm',1,1,NULL,X'0500000000000000',1728036000000,60000,0,X'6C696E652031',NULL,1728036000000,NULL,1728036060000,1728036061000,1728036062000,'Europe/Berlin',NULL,NULL,NULL,NULL,60000,NULL,'0301234',NULL,NULL,NULL,49301234,NULL,NULL,'201',NULL,NULL,NULL,NULL,'outbound','national',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'answered','plain',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "leg" VALUES(X'004E2000000000000000000000000002','hq','berlin','hq-1',7,11,2,1,1,1002,'avaya_cm',1,1,NULL,X'',1728036060000,60000,0,X'6C696E652032',NULL,1728036060000,NULL,1728036120000,1728036121000,1728036122000,'Europe/Berlin',NULL,NULL,NULL,NULL,60000,NULL,'0301234',NULL,NULL,NULL,49301234,NULL,NULL,'201',NULL,NULL,NULL,NULL,'outbound','national',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'answered','plain',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE leg_key (
	join_key BIGINT NOT NULL, 
	join_at BIGINT NOT NULL, 
	cdr_id BLOB NOT NULL, 
	join_gap_ms BIGINT NOT NULL, 
	PRIMARY KEY (join_key, join_at, cdr_id)
)
 WITHOUT ROWID

;
INSERT INTO "leg_key" VALUES(5,1728036000000,X'004E2000000000000000000000000001',60000);
CREATE TABLE leg_owner (
	cdr_id BLOB NOT NULL, 
	call_id BLOB NOT NULL, 
	PRIMARY KEY (cdr_id)
)
 WITHOUT ROWID

;
INSERT INTO "leg_owner" VALUES(X'004E2000000000000000000000000001',X'004E2000000000000000000000000001');
CREATE TABLE leg_seen (
	cdr_id BLOB NOT NULL, 
	stream_id BIGINT NOT NULL, 
	incarnation BIGINT NOT NULL, 
	seq BIGINT NOT NULL, 
	record_crc BIGINT, 
	PRIMARY KEY (cdr_id)
)
 WITHOUT ROWID

;
INSERT INTO "leg_seen" VALUES(X'004E2000000000000000000000000001',7,11,1,1001);
INSERT INTO "leg_seen" VALUES(X'004E2000000000000000000000000002',7,11,2,1002);
CREATE TABLE link (
	link_uid TEXT NOT NULL, 
	stream_id BIGINT NOT NULL, 
	pbx_uid TEXT NOT NULL, 
	site_uid TEXT NOT NULL, 
	dialect_id TEXT NOT NULL, 
	PRIMARY KEY (link_uid)
);
INSERT INTO "link" VALUES('hq-1',7,'hq','berlin','avaya_cm');
CREATE TABLE orphan (
	cdr_id BLOB NOT NULL, 
	ingested_at BIGINT NOT NULL, 
	PRIMARY KEY (cdr_id)
)
 WITHOUT ROWID

;
INSERT INTO "orphan" VALUES(X'004E2000000000000000000000000002',1728036122000);
CREATE TABLE raw_context (
	context_id BIGINT NOT NULL, 
	text BLOB NOT NULL, 
	PRIMARY KEY (context_id)
);
CREATE TABLE rejoin_mark (
	cdr_id BLOB NOT NULL, 
	stamp BIGINT NOT NULL, 
	PRIMARY KEY (cdr_id)
)
 WITHOUT ROWID

;
CREATE TABLE schema_version (
	version BIGINT NOT NULL, 
	applied_at BIGINT, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(1,1700000000000);
CREATE TABLE seal_generation (
	day BIGINT NOT NULL, 
	generation BIGINT NOT NULL, 
	PRIMARY KEY (day)
);
CREATE TABLE segment (
	segment_id TEXT NOT NULL, 
	generation BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	leg_rows BIGINT NOT NULL, 
	call_rows BIGINT NOT NULL, 
	charge_rows BIGINT NOT NULL, 
	file_bytes BIGINT NOT NULL, 
	checksums TEXT NOT NULL, 
	sites TEXT NOT NULL, 
	leg_id_min BLOB, 
	leg_id_max BLOB, 
	call_id_min BLOB, 
	call_id_max BLOB, 
	started_min BIGINT, 
	started_max BIGINT, 
	join_min BIGINT, 
	join_max BIGINT, 
	join_gap_ms BIGINT, 
	sealed_at BIGINT NOT NULL, 
	replaced_by TEXT, 
	PRIMARY KEY (segment_id)
);
CREATE TABLE stream_heard (
	stream_id BIGINT NOT NULL, 
	incarnation BIGINT NOT NULL, 
	day BIGINT NOT NULL, 
	heard BIGINT NOT NULL, 
	journaled BIGINT NOT NULL, 
	PRIMARY KEY (stream_id, incarnation, day)
)
 WITHOUT ROWID

;
CREATE TABLE stream_interval (
	stream_id BIGINT NOT NULL, 
	incarnation BIGINT NOT NULL, 
	first_seq BIGINT NOT NULL, 
	last_seq BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (stream_id, incarnation, first_seq)
)
 WITHOUT ROWID

;
INSERT INTO "stream_interval" VALUES(7,11,1,2,'stored','');
CREATE TABLE stream_mark (
	stream_id BIGINT NOT NULL, 
	incarnation BIGINT NOT NULL, 
	stored_through BIGINT NOT NULL, 
	record_crc BIGINT, 
	PRIMARY KEY (stream_id, incarnation)
)
 WITHOUT ROWID

;
INSERT INTO "stream_mark" VALUES(7,11,2,1002);
CREATE TABLE superseded (
	call_id BLOB NOT NULL, 
	version BIGINT NOT NULL, 
	superseded_by BLOB, 
	PRIMARY KEY (call_id, version)
)
 WITHOUT ROWID

;
CREATE TABLE suspense (
	suspense_id INTEGER NOT NULL, 
	link_uid TEXT, 
	stream_id BIGINT, 
	incarnation BIGINT, 
	seq BIGINT, 
	connection BIGINT, 
	n BIGINT, 
	record_crc BIGINT, 
	raw BLOB, 
	raw_context_id BIGINT, 
	received_at BIGINT, 
	stage TEXT, 
	reason TEXT, 
	detail TEXT, 
	dialect_id TEXT, 
	dialect_version BIGINT, 
	site_uid TEXT, 
	state TEXT, 
	attempts BIGINT, 
	first_at BIGINT, 
	changed_at BIGINT, 
	who TEXT, 
	why TEXT, 
	applied_cdr_id BLOB, 
	PRIMARY KEY (suspense_id)
);
CREATE TABLE tariff (
	tariff_uid TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	price_list TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	effective_from BIGINT, 
	effective_until BIGINT, 
	state TEXT NOT NULL, 
	rows BIGINT NOT NULL, 
	checksum TEXT NOT NULL, 
	files BLOB NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	activated_at BIGINT, 
	activated_by TEXT, 
	PRIMARY KEY (tariff_uid, version)
);
CREATE UNIQUE INDEX leg_by_id ON leg (cdr_id);
CREATE INDEX leg_seen_by_capture ON leg_seen (stream_id, incarnation, seq);
CREATE INDEX orphan_by_time ON orphan (ingested_at);
CREATE INDEX rejoin_mark_by_stamp ON rejoin_mark (stamp);
CREATE UNIQUE INDEX duplicate_by_capture ON duplicate (stream_id, incarnation, seq);
CREATE INDEX duplicate_by_twin ON duplicate (cdr_id);
CREATE INDEX suspense_by_state ON suspense (state, reason);
CREATE UNIQUE INDEX suspense_by_capture ON suspense (stream_id, incarnation, seq, record_crc);
CREATE INDEX call_version_by_start ON call_version (live, started_at);
CREATE UNIQUE INDEX call_version_by_id ON call_version (call_id, version);
CREATE INDEX charge_by_call ON charge (call_id, call_version);
CREATE UNIQUE INDEX charge_by_id ON charge (charge_id);
CREATE INDEX link_by_stream ON link (stream_id);
COMMIT;
