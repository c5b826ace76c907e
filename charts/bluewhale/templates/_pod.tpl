{{/* What all pods have in common. */}}

{{- define "bluewhale.podSecurity" -}}
runAsNonRoot: true
{{- if not .Values.openshift.enabled }}
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "bluewhale.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where and how a pod runs: (dict "root" $ "component" NAME "values" VALUES-OF-THE-ROLE "spread" BOOL); with an
     "account" of its own it asks the API server. */}}
{{- define "bluewhale.placement" -}}
{{- $pod := .root.Values.pod -}}
{{- $own := default dict .values -}}
serviceAccountName: {{ default (include "bluewhale.serviceAccount" .root) .account }}
automountServiceAccountToken: {{ not (empty .account) }}
enableServiceLinks: false
securityContext:
  {{- include "bluewhale.podSecurity" .root | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $pod.nodeSelector $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $pod.tolerations $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $pod.affinity $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if and .spread $pod.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range $key := $pod.topologySpread.keys }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $pod.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "bluewhale.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of a pod: (dict "root" $ "component" NAME "checksum" TEXT "follows" BOOL). */}}
{{- define "bluewhale.podMetadata" -}}
labels:
  {{- include "bluewhale.labels" . | nindent 2 }}
  {{- if and .follows .root.Values.operator.enabled }}
  bluewhale.dev/follows: units  # the operator lets the kubelet renew files of these pods at once
  {{- end }}
  {{- with .root.Values.pod.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := merge dict (default dict .root.Values.pod.annotations) (default dict .root.Values.commonAnnotations) }}
{{- with .checksum }}{{ $_ := set $annotations "checksum/config" . }}{{ end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The three questions; a broker or database that is away is no reason to kill a pod. */}}
{{- define "bluewhale.probes" -}}
startupProbe:
  httpGet: {path: /startupz, port: health}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ div (int .Values.probes.startSeconds) 2 }}
livenessProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* What every process is told, and what values add. */}}
{{- define "bluewhale.commonEnvironment" -}}
- name: BLUEWHALE_CONFIG
  value: /etc/bluewhale
- name: BLUEWHALE_DATA
  value: /var/lib/bluewhale/data
- name: BLUEWHALE_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- with .Values.telemetry.otlpEndpoint }}
- name: BLUEWHALE_CLUSTER__TELEMETRY__OTLP_ENDPOINT
  value: {{ . | quote }}
- name: BLUEWHALE_CLUSTER__TELEMETRY__SAMPLE_RATIO
  value: {{ $.Values.telemetry.sampleRatio | quote }}
{{- end }}
{{- range $name, $value := .Values.environment }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Container image and pull policy: (dict "root" $ "image" NAME). */}}
{{- define "bluewhale.imageLines" -}}
image: {{ include "bluewhale.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "bluewhale.containerSecurity" .root | nindent 2 }}
{{- end -}}

{{- define "bluewhale.commonVolumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.pod.tmpSize }}
- name: configuration
  configMap:
    name: {{ include "bluewhale.configMap" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "bluewhale.commonMounts" -}}
- name: tmp
  mountPath: /tmp
- name: configuration
  mountPath: /etc/bluewhale
  readOnly: true
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
