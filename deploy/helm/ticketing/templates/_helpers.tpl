{{- define "ticketing.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What a part is selected by: dict "root" $ "part" "relay". */}}
{{- define "ticketing.selector" -}}
app.kubernetes.io/name: ticketing
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "ticketing.labels" -}}
{{ include "ticketing.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "ticketing.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "ticketing.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "ticketing.name" .) -}}
{{- end -}}

{{/* What is the same in the spec of every pod: dict "root" $ "part" … "user" 65532. */}}
{{- define "ticketing.pod" -}}
serviceAccountName: {{ include "ticketing.serviceAccount" .root }}
automountServiceAccountToken: false
# Without it every Service of the namespace puts variables into the pod, and those of ours look like
# settings.
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Not two of a part on one machine, where there is another; and over all zones. */}}
{{- define "ticketing.apart" -}}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "ticketing.selector" . | nindent 14 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "ticketing.selector" . | nindent 8 }}
{{- end -}}

{{- define "ticketing.podLabels" -}}
{{ include "ticketing.labels" . }}
{{- with .root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ticketing.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{/* A variable from a Secret: dict "env" "X" "secret" "name" "key" "k". */}}
{{- define "ticketing.fromSecret" -}}
- name: {{ .env }}
  valueFrom:
    secretKeyRef: { name: {{ .secret }}, key: {{ .key }} }
{{- end -}}

{{- define "ticketing.logHost" -}}
{{ include "ticketing.name" . }}-log.{{ .Release.Namespace }}.svc.cluster.local
{{- end -}}

{{/* KURRENTDB_URL. The password stands in the address by reference: it is in no manifest. */}}
{{- define "ticketing.logEnv" -}}
{{- $tls := ternary "tls=true&tlsCaFile=/etc/ticketing/log/ca.crt" "tls=false" .Values.log.tls }}
{{- if eq .Values.log.mode "external" }}
{{ include "ticketing.fromSecret" (dict "env" "KURRENTDB_URL" "secret" .Values.secrets.log "key" "url") }}
{{- else if eq .Values.log.mode "embedded" }}
{{ include "ticketing.fromSecret" (dict "env" "LOG_PASSWORD" "secret" .Values.secrets.log "key" "password") }}
- name: KURRENTDB_URL
  value: "kurrentdb://ticketing:$(LOG_PASSWORD)@{{ include "ticketing.logHost" . }}:2113?{{ $tls }}&discoveryInterval=20"
{{- else if .Values.log.tls }}
{{ include "ticketing.fromSecret" (dict "env" "LOG_PASSWORD" "secret" .Values.secrets.log "key" "password") }}
- name: KURRENTDB_URL
  value: "kurrentdb+discover://admin:$(LOG_PASSWORD)@{{ include "ticketing.logHost" . }}:2113?{{ $tls }}"
{{- else }}
- name: KURRENTDB_URL
  value: "kurrentdb+discover://{{ include "ticketing.logHost" . }}:2113?{{ $tls }}"
{{- end }}
{{- end -}}

{{- define "ticketing.databaseEnv" -}}
{{- if eq .Values.postgres.mode "external" }}
{{ include "ticketing.fromSecret" (dict "env" "DATABASE_URL" "secret" .Values.secrets.database "key" "url") }}
{{- else }}
{{ include "ticketing.fromSecret" (dict "env" "DATABASE_URI" "secret" (printf "%s-postgres-app" (include "ticketing.name" .)) "key" "uri") }}
- name: DATABASE_URL
  value: "$(DATABASE_URI)?sslmode=verify-full&sslrootcert=/etc/ticketing/database/ca.crt"
{{- end }}
{{- end -}}

{{- define "ticketing.keysEnv" -}}
{{ include "ticketing.fromSecret" (dict "env" "TICKETING_SESSION_KEY" "secret" .Values.secrets.keys "key" "session-key") }}
{{ include "ticketing.fromSecret" (dict "env" "TICKETING_VAULT_KEY" "secret" .Values.secrets.keys "key" "vault-key") }}
{{ include "ticketing.fromSecret" (dict "env" "TICKETING_TOKEN_KEYS" "secret" .Values.secrets.keys "key" "token-keys") }}
{{- end -}}

{{/* What the relay reads as files, as keys of the Secret. */}}
{{- define "ticketing.natsFiles" -}}
{{- $files := list }}
{{- if eq .Values.nats.mode "external" }}
{{- with get (dict "credentials" "relay.creds" "nkey" "relay.nkey") .Values.nats.external.login }}{{ $files = append $files . }}{{ end }}
{{- if .Values.nats.external.ca }}{{ $files = append $files "ca.crt" }}{{ end }}
{{- end }}
{{- $files | toJson }}
{{- end -}}

{{/* Where NATS is, and who the relay is there. */}}
{{- define "ticketing.natsAt" -}}
{{- $nats := .Values.nats }}
{{- if eq $nats.mode "external" }}
{{ include "ticketing.fromSecret" (dict "env" "NATS_URL" "secret" .Values.secrets.nats "key" "url") }}
{{- $login := get (dict "credentials" "TICKETING_NATS_CREDENTIALS" "nkey" "TICKETING_NATS_NKEY") $nats.external.login }}
{{- with $login }}
- name: {{ . }}
  value: /etc/ticketing/nats/relay.{{ eq $nats.external.login "nkey" | ternary "nkey" "creds" }}
{{- end }}
{{- if $nats.external.ca }}
- name: TICKETING_NATS_CA
  value: /etc/ticketing/nats/ca.crt
{{- end }}
{{- else }}
- name: NATS_URL
  value: "nats://{{ include "ticketing.name" . }}-nats.{{ .Release.Namespace }}.svc.cluster.local:4222"
- name: TICKETING_NATS_USER
  value: relay
{{ include "ticketing.fromSecret" (dict "env" "TICKETING_NATS_PASSWORD" "secret" .Values.secrets.nats "key" "password") }}
{{- end }}
{{- end -}}

{{- define "ticketing.natsEnv" -}}
{{- $nats := .Values.nats }}
{{- include "ticketing.natsAt" . }}
- name: TICKETING_NATS_REPLICAS
  value: {{ $nats.streamReplicas | quote }}
- name: TICKETING_PARTITIONS
  value: {{ $nats.partitions | quote }}
{{- with $nats.daysMax }}
- name: TICKETING_NATS_DAYS_MAX
  value: {{ . | quote }}
{{- end }}
{{- with $nats.bytesMax }}
- name: TICKETING_NATS_BYTES_MAX
  value: {{ . | int64 | quote }}
{{- end }}
{{- end -}}

{{/* All variables of a role: dict "root" $ "role" "relay". */}}
{{- define "ticketing.env" -}}
{{- $settings := .root.Values.settings }}
{{- $web := has .role (list "command-api" "query-api") }}
- name: TICKETING_METRICS
  value: "0.0.0.0:9464"
- name: TICKETING_LOG_FORMAT
  value: {{ $settings.logFormat }}
{{- with $settings.logFilter }}
- name: RUST_LOG
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.monitoring.traces.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- include "ticketing.logEnv" .root }}
{{- include "ticketing.databaseEnv" .root }}
{{- if or $web (eq .role "process-managers") }}
{{ include "ticketing.keysEnv" .root }}
{{- end }}
{{- if $web }}
- name: TICKETING_LISTEN
  value: "0.0.0.0:8080"
- name: TICKETING_SECURE_COOKIES
  value: "true"
- name: TICKETING_LIMITS
  value: {{ $settings.limits | quote }}
- name: TICKETING_PROXIES
  value: {{ include "ticketing.proxies" .root | quote }}
{{- with $settings.origins }}
- name: TICKETING_ORIGINS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- if eq .role "query-api" }}
{{- with .root.Values.secrets.reader }}
{{ include "ticketing.fromSecret" (dict "env" "TICKETING_READ_DATABASE_URL" "secret" . "key" "url") }}
{{- end }}
{{- if not $settings.introspection }}
- name: TICKETING_NO_INTROSPECTION
  value: "true"
{{- end }}
{{- end }}
{{- if eq .role "command-api" }}
- name: TICKETING_RESERVATION_SECONDS
  value: {{ $settings.reservationSeconds | int | quote }}
# Without it no webhook is taken, and Stripe's own list tells everything a little later.
- name: STRIPE_WEBHOOK_SECRET
  valueFrom:
    secretKeyRef: { name: {{ .root.Values.secrets.stripe }}, key: webhook-secret, optional: true }
{{- end }}
{{- if eq .role "process-managers" }}
{{ include "ticketing.fromSecret" (dict "env" "STRIPE_SECRET_KEY" "secret" .root.Values.secrets.stripe "key" "secret-key") }}
- name: STRIPE_POLL_SECONDS
  value: {{ $settings.stripePollSeconds | quote }}
{{- with $settings.stripeApiBase }}
- name: STRIPE_API_BASE
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if eq .role "relay" }}
{{- include "ticketing.natsEnv" .root }}
{{- end }}
{{- end -}}

{{- define "ticketing.proxies" -}}
{{- if eq (toString .Values.settings.proxies) "auto" -}}
{{ get (dict "gateway" 1 "ingress" 2 "none" 0) .Values.traffic.mode }}
{{- else -}}
{{ .Values.settings.proxies | int }}
{{- end -}}
{{- end -}}

{{/* The authorities by which a role knows the log and Postgres. */}}
{{- define "ticketing.authorityMounts" -}}
- { name: log-authority, mountPath: /etc/ticketing/log, readOnly: true }
- { name: database-authority, mountPath: /etc/ticketing/database, readOnly: true }
{{- end -}}

{{- define "ticketing.authorityVolumes" -}}
- name: log-authority
  secret:
    secretName: {{ eq .Values.log.mode "external" | ternary .Values.secrets.log (printf "%s-log-tls" (include "ticketing.name" .)) }}
    # What cert-manager or the operator makes is waited for.
    optional: {{ or (eq .Values.log.mode "external") (not .Values.log.tls) }}
    items: [{ key: ca.crt, path: ca.crt }]
- name: database-authority
  secret:
    secretName: {{ eq .Values.postgres.mode "external" | ternary .Values.secrets.database (printf "%s-postgres-ca" (include "ticketing.name" .)) }}
    optional: {{ eq .Values.postgres.mode "external" }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end -}}
