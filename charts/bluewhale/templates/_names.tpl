{{/* Names, labels, images. */}}

{{- define "bluewhale.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Begins the name of every object. */}}
{{- define "bluewhale.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "bluewhale.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects pods; never changes. Call with (dict "root" $ "component" NAME). */}}
{{- define "bluewhale.selector" -}}
app.kubernetes.io/name: {{ include "bluewhale.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "bluewhale.labels" -}}
{{ include "bluewhale.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: bluewhale
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of an object: (dict "root" $ "name" NAME "component" NAME "annotations" MAP). */}}
{{- define "bluewhale.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "bluewhale.labels" . | nindent 2 }}
{{- with merge dict (default dict .annotations) (default dict .root.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image: (dict "root" $ "image" NAME), NAME being a key of values `images`. */}}
{{- define "bluewhale.image" -}}
{{- $image := index .root.Values.images .image -}}
{{- $registry := default .root.Values.image.registry .root.Values.global.imageRegistry -}}
{{- $tag := coalesce $image.tag .root.Values.image.tag .root.Chart.AppVersion -}}
{{- with $registry }}{{ . }}/{{ end }}{{ default $image.repository .root.Values.image.all }}:{{ $tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* The one account of pods that ask the API nothing. */}}
{{- define "bluewhale.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "bluewhale.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "bluewhale.configMap" -}}
{{- default (printf "%s-configuration" (include "bluewhale.fullname" .)) .Values.installation.existingConfigMap -}}
{{- end -}}

{{/* "true" where nobody named an installation of their own. */}}
{{- define "bluewhale.demo" -}}
{{- if not (or .Values.installation.existingConfigMap .Values.installation.files) -}}true{{- end -}}
{{- end -}}

{{/* The files of the configuration as JSON: name -> text. */}}
{{- define "bluewhale.files" -}}
{{- $files := dict -}}
{{- if include "bluewhale.demo" . -}}
{{- range $path, $_ := .Files.Glob "files/demo/*" -}}
{{- $_ := set $files (base $path) ($.Files.Get $path) -}}
{{- end -}}
{{- else -}}
{{- $files = .Values.installation.files -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* Ports on which PBXs are listened to, as JSON: a list of name, port, protocol. */}}
{{- define "bluewhale.pbxPorts" -}}
{{- $ports := .Values.pbx.ports -}}
{{- if and (not $ports) (not .Values.installation.existingConfigMap) -}}
{{- $text := get (include "bluewhale.files" . | fromJson) "bluewhale.yaml" -}}
{{- range (fromYaml $text).links -}}
{{- $connector := default dict .connector -}}
{{- if and (has $connector.type (list "tcp_server" "syslog_tcp" "syslog_udp")) $connector.port -}}
{{- $port := int $connector.port -}}
{{- $protocol := ternary "UDP" "TCP" (eq $connector.type "syslog_udp") -}}
{{- $ports = append $ports (dict "name" (printf "pbx-%s-%d" (lower $protocol) $port) "port" $port "protocol" $protocol) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (default list $ports) -}}
{{- end -}}

{{/* What pods must restart for; links, units, directory and prices are followed by running roles. */}}
{{- define "bluewhale.checksum" -}}
{{- if .Values.installation.existingConfigMap -}}
{{- .Values.installation.existingConfigMap | sha256sum -}}
{{- else -}}
{{- $files := include "bluewhale.files" . | fromJson -}}
{{- if eq .Values.profile "single-node" -}}
{{- $files | toJson | sha256sum -}}
{{- else -}}
{{- omit (fromYaml (get $files "bluewhale.yaml")) "links" "units" "directory" "tariffs" "alerts" | toJson | sha256sum -}}
{{- end -}}
{{- end -}}
{{- end -}}
