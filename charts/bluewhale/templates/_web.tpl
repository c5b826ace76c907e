{{/* The page and the REST API, in both profiles. */}}

{{/* The one port of the page. */}}
{{- define "bluewhale.webPort" -}}8480{{- end -}}

{{/* What serves it. */}}
{{- define "bluewhale.webComponent" -}}
{{- ternary "single-node" "webapi" (eq .Values.profile "single-node") -}}
{{- end -}}

{{/* How people reach it; nothing said: through a forwarded port of this machine. */}}
{{- define "bluewhale.webUrl" -}}
{{- $web := .Values.web -}}
{{- if $web.publicUrl -}}
{{- trimSuffix "/" $web.publicUrl -}}
{{- else if and $web.ingress.enabled $web.ingress.host -}}
https://{{ $web.ingress.host }}
{{- else if and $web.httpRoute.enabled $web.httpRoute.hosts -}}
https://{{ first $web.httpRoute.hosts }}
{{- else -}}
{{ ternary "https" "http" (ne $web.tls.existingSecret "") }}://localhost:{{ include "bluewhale.webPort" . }}
{{- end -}}
{{- end -}}

{{- define "bluewhale.webEnvironment" -}}
- name: BLUEWHALE_WEB__LISTEN
  value: 0.0.0.0:{{ include "bluewhale.webPort" . }}
- name: BLUEWHALE_WEB__PUBLIC_URL
  value: {{ include "bluewhale.webUrl" . }}
{{- range $i, $proxy := .Values.web.proxies }}
- name: BLUEWHALE_WEB__PROXIES__{{ $i }}
  value: {{ $proxy | quote }}
{{- end }}
{{- if .Values.web.tls.existingSecret }}
- name: BLUEWHALE_WEB__CERTIFICATE
  value: /var/run/bluewhale/web/tls.crt
- name: BLUEWHALE_WEB__KEY
  value: /var/run/bluewhale/web/tls.key
{{- end }}
{{- end -}}

{{- define "bluewhale.webMount" -}}
{{- if .Values.web.tls.existingSecret -}}
- name: web
  mountPath: /var/run/bluewhale/web
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "bluewhale.webVolume" -}}
{{- with .Values.web.tls.existingSecret -}}
- name: web
  secret:
    secretName: {{ . }}
    defaultMode: 288  # 0440
{{- end -}}
{{- end -}}
