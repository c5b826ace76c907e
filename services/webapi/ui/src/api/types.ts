/** Names for the shapes of the API. */
export type Role = "viewer" | "analyst" | "finance" | "telecom_admin" | "security" | "owner";

export interface Money {
  readonly amount: string;
  readonly currency: string;
}
export interface Name {
  readonly uid: string;
  readonly name: string | null;
}
export interface Party {
  readonly shown: string;
  readonly e164: string | null;
  readonly masked: boolean;
}
export interface Period {
  readonly from: string | null;
  readonly to: string | null;
  readonly zone: string;
}
export interface SessionState {
  readonly first_start: boolean;
  readonly signed_in: boolean;
}
export interface Me {
  readonly user_id: string;
  readonly name: string;
  readonly display_name: string;
  readonly role: Role;
  readonly branch: { readonly sites: string[] | null; readonly departments: string[] | null };
  readonly permissions: string[];
  readonly zone: string;
  readonly language: string;
  readonly csrf: string;
  readonly expires_at: string;
}
export interface Choices {
  readonly sites: { readonly uid: string; readonly name: string | null; readonly zone: string }[];
  readonly departments: {
    readonly uid: string;
    readonly name: string | null;
    readonly parent_uid: string | null;
  }[];
  readonly price_lists: { readonly name: string; readonly currency: string | null }[];
  readonly directions: string[];
  readonly classes: string[];
  readonly dispositions: string[];
  readonly periods: string[];
}
export interface Price {
  readonly price_list: string;
  readonly money: Money | null;
  readonly unpriced: number;
}
export type CallState = "open" | "complete" | "superseded";
export interface Call {
  readonly call_id: string;
  readonly version: number;
  readonly state: CallState;
  readonly superseded_by: string | null;
  readonly started_at: string | null;
  readonly answered_at: string | null;
  readonly ended_at: string | null;
  readonly zone: string | null;
  readonly ring_ms: number | null;
  readonly queue_ms: number | null;
  readonly hold_ms: number | null;
  readonly talk_ms: number | null;
  readonly direction: string | null;
  readonly call_class: string | null;
  readonly disposition: string | null;
  readonly calling: Party | null;
  readonly called: Party | null;
  readonly first_destination: Party | null;
  readonly final_destination: Party | null;
  readonly site: Name | null;
  readonly extension: string | null;
  readonly person: Name | null;
  readonly department: Name | null;
  readonly cost_center_uid: string | null;
  readonly account_code: string | null;
  readonly trunk_in: string | null;
  readonly trunk_out: string | null;
  readonly transfers: number | null;
  readonly legs: number;
  readonly prices: Price[];
}
export interface CallPage {
  readonly scope: string;
  readonly period: Period;
  readonly items: Call[];
  readonly next: string | null;
  readonly prev: string | null;
  readonly total: { readonly count: number; readonly exact: boolean };
}
export interface CompletenessLine {
  readonly complete: boolean;
  readonly sites: number;
  readonly received: number;
  readonly parsed: number;
  readonly suspended: number;
  readonly open: number;
  readonly unrated: number;
  readonly gaps: number;
  readonly last_day: string | null;
}
export interface Aggregate {
  readonly scope: string;
  readonly period: Period;
  readonly calls: number;
  readonly answered: number;
  readonly talk_ms: number;
  readonly unpriced: number;
  readonly money: Price[];
  readonly completeness: CompletenessLine;
}
export interface Leg {
  readonly cdr_id: string;
  readonly pbx: Name;
  readonly site: Name | null;
  readonly link_uid: string | null;
  readonly dialect_id: string;
  readonly dialect_version: number;
  readonly role: string | null;
  readonly stream_id: string;
  readonly incarnation: string;
  readonly seq: string;
  readonly setup_at: string | null;
  readonly answer_at: string | null;
  readonly release_at: string | null;
  readonly received_at: string | null;
  readonly ingested_at: string | null;
  readonly duration_ms: number | null;
  readonly calling: Party | null;
  readonly called: Party | null;
  readonly connected: Party | null;
  readonly redirecting: Party | null;
  readonly direction: string | null;
  readonly call_class: string | null;
  readonly disposition: string | null;
  readonly trunk_in: string | null;
  readonly trunk_out: string | null;
}
export interface Join {
  readonly leg: number;
  readonly other: number;
  readonly reason: string;
  readonly confidence: number;
}
export interface Version {
  readonly version: number;
  readonly state: CallState;
  readonly superseded_by: string | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly legs: number;
  readonly prices: Price[];
}
export interface TariffVersionName {
  readonly uid: string;
  readonly version: number;
}
export interface Charge {
  readonly charge_id: string;
  readonly call_version: number;
  readonly span: number;
  readonly price_list: string;
  readonly payer: string | null;
  readonly entry: "charge" | "reversal";
  readonly reverses: string | null;
  readonly reason: string | null;
  readonly status: string | null;
  readonly money: Money | null;
  readonly tariff: TariffVersionName | null;
  readonly rated_at: string | null;
  readonly start_at: string | null;
  readonly quantity_ms: number | null;
  readonly rated_quantity_ms: number | null;
  readonly prefix: string | null;
}
export interface CallDetail {
  readonly call: Call;
  readonly legs: Leg[];
  readonly joins: Join[];
  readonly versions: Version[];
  readonly charges: Charge[];
}
export interface Step {
  readonly kind: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly result: string;
  readonly text: string;
}
export interface ReceiptCharge {
  readonly charge_id: string;
  readonly price_list: string;
  readonly payer: string | null;
  readonly entry: "charge" | "reversal";
  readonly status: string;
  readonly money: Money | null;
  readonly exact: string;
  readonly tariff: TariffVersionName | null;
  readonly steps: Step[];
  readonly text: string;
}
export interface Receipt {
  readonly call_id: string;
  readonly zone: string | null;
  readonly charges: ReceiptCharge[];
}
export interface RawField {
  readonly name: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly position: string;
  readonly text: string;
  readonly value: string | null;
  readonly meaning: string;
  readonly note: string;
}
export interface RawLeg {
  readonly cdr_id: string;
  readonly pbx: Name;
  readonly dialect_id: string;
  readonly dialect_version: number;
  readonly bytes: string;
  readonly context: string | null;
  readonly fields: RawField[];
  readonly note: string;
}
export interface Raw {
  readonly call_id: string;
  readonly legs: RawLeg[];
}
export interface Figure {
  readonly name: "calls" | "answered" | "talk_ms" | "unpriced";
  readonly value: number;
  readonly scope: string;
}
export interface Group {
  readonly name: Name;
  readonly calls: number;
  readonly answered: number;
  readonly talk_ms: number;
  readonly money: Price[];
  readonly scope: string | null;
}
export interface Summary {
  readonly scope: string;
  readonly period: Period;
  readonly as_of: string;
  readonly completeness: CompletenessLine;
  readonly figures: Figure[];
  readonly cost: (Price & { readonly scope: string })[];
  readonly times: {
    readonly by: "hour" | "day";
    readonly rows: {
      readonly name: string;
      readonly calls: number;
      readonly answered: number;
      readonly scope: string | null;
    }[];
  };
  readonly sites: Group[];
  readonly departments: Group[];
  readonly destinations: Group[];
  readonly dearest: Call[];
}
export interface CompletenessDay {
  readonly site: Name;
  readonly day: string;
  readonly heard: number | null;
  readonly journaled: number | null;
  readonly received: number;
  readonly parsed: number;
  readonly suspended: number;
  readonly duplicate: number;
  readonly merged: number;
  readonly rated: number;
  readonly unrated: number;
  readonly stored: number;
  readonly open: number;
  readonly balanced: boolean;
  readonly difference: string;
}
export interface Gap {
  readonly link_uid: string;
  readonly site: Name | null;
  readonly stream_id: string;
  readonly incarnation: string;
  readonly first_seq: string;
  readonly last_seq: string;
  readonly records: string | number;
  readonly state: "lost" | "missing";
  readonly reason: string;
}
export interface Completeness {
  readonly complete: boolean;
  readonly days: CompletenessDay[];
  readonly gaps: Gap[];
}
