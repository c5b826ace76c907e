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
{{- range $key, $name := dict "requestsPerMinute" "REQUESTS_PER_MINUTE" "sessionIdleMinutes" "SESSION_IDLE_MINUTES" "sessionHours" "SESSION_HOURS" }}
{{- $value := get $.Values.web.limits $key | toString }}
{{- if regexMatch "^[0-9]" $value }}
- name: BLUEWHALE_WEB__{{ $name }}
  value: {{ $value | float64 | int | quote }}
{{- end }}
{{- end }}
{{- if .Values.web.secondFactor.existingSecret }}
- name: BLUEWHALE_WEB__FACTOR_KEYS_FILE
  value: /var/run/bluewhale/second-factor/keys
{{- end }}
{{- with .Values.web.oidc }}
{{- if .issuer }}
{{- $oidc := dict "issuer" .issuer "client_id" .clientId "label" .label "scopes" .scopes "claim" .claim "name_claim" .nameClaim "grants" .grants }}
{{- if .existingSecret }}{{ $_ := set $oidc "client_secret_file" "/var/run/bluewhale/provider/client-secret" }}{{ end }}
- name: BLUEWHALE_WEB__OIDC
  value: {{ toJson $oidc | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The Secrets of the page: name of the volume -> (dict "secret" NAME "path" PATH), as JSON. */}}
{{- define "bluewhale.webSecrets" -}}
{{- $web := .Values.web -}}
{{- $secrets := dict -}}
{{- with $web.tls.existingSecret }}{{ $_ := set $secrets "web" (dict "secret" . "path" "web") }}{{ end -}}
{{- with $web.secondFactor.existingSecret }}{{ $_ := set $secrets "second-factor" (dict "secret" . "path" "second-factor") }}{{ end -}}
{{- if and $web.oidc.issuer $web.oidc.existingSecret }}{{ $_ := set $secrets "provider" (dict "secret" $web.oidc.existingSecret "path" "provider") }}{{ end -}}
{{- toJson $secrets -}}
{{- end -}}

{{- define "bluewhale.webMount" -}}
{{- range $name, $one := include "bluewhale.webSecrets" . | fromJson }}
- name: {{ $name }}
  mountPath: /var/run/bluewhale/{{ $one.path }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "bluewhale.webVolume" -}}
{{- range $name, $one := include "bluewhale.webSecrets" . | fromJson }}
- name: {{ $name }}
  secret:
    secretName: {{ $one.secret }}
    defaultMode: 288  # 0440
{{- end }}
{{- end -}}
