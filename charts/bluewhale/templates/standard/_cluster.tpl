{{/* What the roles of the profile standard share. */}}

{{/* Ports: of a role for other roles; health of all. */}}
{{- define "bluewhale.rolePort" -}}
{{- get (dict "ingest" 7441 "storage" 7442 "billing" 7443 "parser" 7445 "webapi" 7446) . -}}
{{- end -}}

{{/* "hpa", "keda" or "": what sets the number of copies of a role: (dict "root" $ "role" NAME). */}}
{{- define "bluewhale.scaledBy" -}}
{{- $scaling := (index .root.Values .role).autoscaling -}}
{{- if $scaling.enabled -}}
{{- if has .role (list "ingest" "webapi") -}}hpa
{{- else if .root.Capabilities.APIVersions.Has "keda.sh/v1alpha1" -}}keda
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" where a role may have several copies. */}}
{{- define "bluewhale.several" -}}
{{- $role := index .root.Values .role -}}
{{- if or (gt (int $role.replicas) 1) (and (include "bluewhale.scaledBy" .) (gt (int $role.autoscaling.maxReplicas) 1)) -}}true{{- end -}}
{{- end -}}

{{- define "bluewhale.shareable" -}}
{{- if has "ReadWriteMany" .Values.storage.segments.accessModes -}}true{{- end -}}
{{- end -}}

{{/* Secret with the certificate of a role: (dict "root" $ "role" NAME). */}}
{{- define "bluewhale.roleSecret" -}}
{{- $existing := get (default dict .root.Values.certificates.existing.roles) .role -}}
{{- default (printf "%s-tls-%s" (include "bluewhale.fullname" .root) .role) $existing -}}
{{- end -}}

{{- define "bluewhale.authoritySecret" -}}
{{- default (printf "%s-authority" (include "bluewhale.fullname" .)) .Values.certificates.existing.authority -}}
{{- end -}}

{{/* Layers around requests between roles: mutual TLS, and nobody without a certificate. */}}
{{- define "bluewhale.layers" -}}
{{- $everywhere := list "role/*" "plugin/*" "operator/*" "local" -}}
{{- $policy := list (dict "callers" $everywhere) (dict "callers" (list "unit/*") "methods" (list "Uplink/*" "Ownership/*")) -}}
{{- $tls := "/var/run/bluewhale/tls" -}}
{{- list
  (dict "layer" "monitoring")
  (dict "layer" "deadline")
  (dict "layer" "access" "policy" $policy)
  (dict "layer" "encryption" "authority" (printf "%s/ca.crt" $tls) "certificate" (printf "%s/tls.crt" $tls) "key" (printf "%s/tls.key" $tls))
  (dict "layer" "balancing")
  | toJson -}}
{{- end -}}

{{/* The section `cluster` of the configuration as this pod must see it: (dict "root" $ "component" NAME). */}}
{{- define "bluewhale.clusterEnvironment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $fullname := include "bluewhale.fullname" $root -}}
- name: POD_IP
  valueFrom:
    fieldRef: {fieldPath: status.podIP}
- name: BLUEWHALE_CLUSTER__KAFKA__BOOTSTRAP
  value: {{ $values.kafka.bootstrap | quote }}
- name: BLUEWHALE_CLUSTER__KAFKA__PREFIX
  value: {{ $values.kafka.prefix | quote }}
- name: BLUEWHALE_CLUSTER__KAFKA__PARTITIONS
  value: {{ $values.kafka.partitions | quote }}
- name: BLUEWHALE_CLUSTER__KAFKA__REPLICATION
  value: {{ $values.kafka.replication | quote }}
{{- with $values.kafka.security }}
{{- if ne .protocol "plaintext" }}
- name: BLUEWHALE_CLUSTER__KAFKA__SECURITY
  value: {{ .protocol }}
{{- end }}
{{- if and .caSecret (hasSuffix "ssl" .protocol) }}
- name: BLUEWHALE_CLUSTER__KAFKA__CA
  value: /var/run/bluewhale/kafka/ca
{{- end }}
{{- if hasPrefix "sasl" .protocol }}
- name: BLUEWHALE_CLUSTER__KAFKA__MECHANISM
  value: {{ .mechanism }}
- name: BLUEWHALE_CLUSTER__KAFKA__USERNAME
  value: {{ .username | quote }}
- name: BLUEWHALE_CLUSTER__KAFKA__PASSWORD_FILE
  value: /var/run/bluewhale/kafka/password
{{- else if and .userSecret (eq .protocol "ssl") }}
- name: BLUEWHALE_CLUSTER__KAFKA__CERTIFICATE
  value: /var/run/bluewhale/kafka/certificate
- name: BLUEWHALE_CLUSTER__KAFKA__KEY
  value: /var/run/bluewhale/kafka/key
{{- end }}
{{- end }}
{{ include "bluewhale.databaseEnvironment" $root }}
- name: BLUEWHALE_CLUSTER__DATABASE__SEGMENTS
  value: /var/lib/bluewhale/segments
{{- with $values.redis.existingSecret }}
- name: BLUEWHALE_CLUSTER__REDIS__URL
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $values.redis.secretKey }}}
{{- end }}
- name: BLUEWHALE_CLUSTER__HEALTH__HOST
  value: 0.0.0.0
- name: BLUEWHALE_CLUSTER__HEALTH__PORT
  value: "9465"
- name: BLUEWHALE_CLUSTER__LAYERS
  value: {{ include "bluewhale.layers" $root | quote }}
{{- range $role := list "storage" "billing" "parser" "webapi" }}
- name: BLUEWHALE_CLUSTER__{{ upper $role }}__LISTEN
  value: 0.0.0.0:{{ include "bluewhale.rolePort" $role }}
- name: BLUEWHALE_CLUSTER__{{ upper $role }}__ADVERTISED
  value: dns:///{{ $fullname }}-{{ $role }}.{{ $root.Release.Namespace }}.svc:{{ include "bluewhale.rolePort" $role }}
{{- end }}
- name: BLUEWHALE_CLUSTER__INGEST__LISTEN
  value: 0.0.0.0:7440
- name: BLUEWHALE_CLUSTER__INGEST__ADVERTISED  # the copy that leads the ownership of links tells it to units
  value: {{ default "$(POD_IP):7440" $values.ingest.advertised | quote }}
- name: BLUEWHALE_CLUSTER__INGEST__ENROLMENT
  value: 0.0.0.0:7444
- name: BLUEWHALE_CLUSTER__INGEST__INTERNAL__LISTEN
  value: 0.0.0.0:7441
- name: BLUEWHALE_CLUSTER__INGEST__INTERNAL__ADVERTISED
  value: dns:///{{ $fullname }}-ingest-internal.{{ $root.Release.Namespace }}.svc:7441
- name: BLUEWHALE_CLUSTER__INGEST__AUTHORITY
  value: /var/run/bluewhale/authority
- name: BLUEWHALE_CLUSTER__INGEST__OWNERSHIP__PROFILE
  value: {{ $values.ingest.failoverProfile }}
{{- if and (eq .component "ingest") $values.ingest.lease }}
- name: BLUEWHALE_CLUSTER__INGEST__OWNERSHIP__TERM__KUBERNETES__LEASE
  value: {{ include "bluewhale.lease" $root }}
{{- end }}
{{ include "bluewhale.commonEnvironment" $root }}
{{- end -}}

{{/* The address of the database is a file, read for each connection: its Secret may change under running pods. */}}
{{- define "bluewhale.databaseEnvironment" -}}
- name: BLUEWHALE_CLUSTER__DATABASE__URL_FILE
  value: /var/run/bluewhale/database/url
{{- end -}}

{{- define "bluewhale.databaseMount" -}}
- name: database
  mountPath: /var/run/bluewhale/database
  readOnly: true
{{- end -}}

{{- define "bluewhale.databaseVolume" -}}
- name: database
  secret:
    secretName: {{ .Values.database.existingSecret }}
    defaultMode: 288  # 0440
    items:
      - {key: {{ .Values.database.secretKey }}, path: url}
{{- end -}}

{{/* "true" where pods need files to be let in by Kafka. */}}
{{- define "bluewhale.kafkaFiles" -}}
{{- with .Values.kafka.security -}}
{{- if and (ne .protocol "plaintext") (or .caSecret .userSecret) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bluewhale.kafkaVolume" -}}
- name: kafka
  projected:
    defaultMode: 288  # 0440
    sources:
      {{- with .Values.kafka.security }}
      {{- if .caSecret }}
      - secret:
          name: {{ .caSecret }}
          items:
            - {key: {{ .keys.ca }}, path: ca}
      {{- end }}
      {{- if .userSecret }}
      - secret:
          name: {{ .userSecret }}
          items:
            {{- if hasPrefix "sasl" .protocol }}
            - {key: {{ .keys.password }}, path: password}
            {{- else }}
            - {key: {{ .keys.certificate }}, path: certificate}
            - {key: {{ .keys.key }}, path: key}
            {{- end }}
      {{- end }}
      {{- end }}
{{- end -}}

{{/* The Lease that the leading copy of ingest holds. */}}
{{- define "bluewhale.lease" -}}
{{- printf "%s-ownership" (include "bluewhale.fullname" .) -}}
{{- end -}}

{{/* A volume of one node: billing goes where storage is, storage rather where billing is. */}}
{{- define "bluewhale.oneNode" -}}
{{- if eq .role "billing" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "bluewhale.selector" (dict "root" .root "component" "storage") | nindent 10 }}
{{- else -}}
podAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "bluewhale.selector" (dict "root" .root "component" "billing") | nindent 12 }}
{{- end -}}
{{- end -}}
