{{/* Names, labels, and what values have to say before anything is made. */}}

{{- define "accelpool.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name }}{{ end }}
{{- end }}

{{- define "accelpool.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "accelpool.labels" -}}
{{ include "accelpool.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "accelpool.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "accelpool.scheme" -}}
{{ ternary "http" "https" .Values.insecure }}
{{- end }}

{{- define "accelpool.url" -}}
{{- .Values.broker.url | default (printf "%s://%s-broker.%s.svc:%v" (include "accelpool.scheme" .) (include "accelpool.name" .) .Release.Namespace .Values.broker.port) }}
{{- end }}

{{/* A container that is no root and may do nothing but its work. */}}
{{- define "accelpool.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "accelpool.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* The volume "ca", and whether there is one. */}}
{{- define "accelpool.caVolume" -}}
{{- with .Values.tls.ca }}
{{- if .configMapName }}
- name: ca
  configMap: {name: {{ .configMapName }}, items: [{key: {{ .key }}, path: ca.pem}]}
{{- else if .secretName }}
- name: ca
  secret: {secretName: {{ .secretName }}, items: [{key: {{ .key }}, path: ca.pem}]}
{{- end }}
{{- end }}
{{- end }}

{{- define "accelpool.check" -}}
{{- $v := .Values }}
{{- if not $v.image.repository }}{{ fail "image.repository is needed: where accelpool-broker and accelpool-agent are, as registry.example/team" }}{{ end }}
{{- if not $v.broker.database.secretName }}{{ fail "broker.database.secretName is needed: a Secret with the URL of a PostgreSQL database" }}{{ end }}
{{- if not $v.broker.adminToken.secretName }}{{ fail "broker.adminToken.secretName is needed: a Secret with the first admin's token, which all brokers share" }}{{ end }}
{{- if and $v.insecure $v.tls.secretName }}{{ fail "insecure does without TLS, tls.secretName does not: give one of them" }}{{ end }}
{{- if not (or $v.insecure $v.tls.secretName) }}{{ fail "tls.secretName is needed: a Secret with tls.crt and tls.key of the brokers; or insecure, for trying" }}{{ end }}
{{- if and $v.metrics.podMonitor.enabled (not $v.metrics.brokerToken.secretName) }}{{ fail "metrics.brokerToken.secretName is needed: a Secret with a token of the scope metrics, for the PodMonitor" }}{{ end }}
{{- end }}

{{- define "accelpool.checkAgent" -}}
{{- $v := .root.Values }}
{{- if not .agent.joinTokens.secretName }}{{ fail (printf "agent.joinTokens.secretName is needed for agents.%s: a Secret with a join token for each node, under the node's name" .group) }}{{ end }}
{{- if $v.metrics.agents.enabled }}
{{- if not $v.metrics.agents.token.secretName }}{{ fail "metrics.agents.token.secretName is needed: a Secret with the token that readers of agents' metrics show" }}{{ end }}
{{- if not (or $v.insecure .agent.tls.secretName) }}{{ fail (printf "agent.tls.secretName is needed for agents.%s: agents tell metrics by a certificate that Prometheus can verify" .group) }}{{ end }}
{{- end }}
{{- end }}

{{/* The data planes' ports, of all groups and of nodes outside of the cluster, each once. */}}
{{- define "accelpool.dataPorts" -}}
{{- $found := dict (printf "%v" (int .Values.agent.port)) true }}
{{- range .Values.agents }}{{ $_ := set $found (printf "%v" (int ((. | default dict).port | default $.Values.agent.port))) true }}{{ end }}
{{- $ports := list }}
{{- range keys $found | sortAlpha }}{{ $ports = append $ports (dict "port" (int .)) }}{{ end }}
{{- toJson $ports }}
{{- end }}

{{/* Where agents reach the brokers: the port of broker.url, else the Service's. */}}
{{- define "accelpool.brokerPorts" -}}
{{- $url := urlParse (include "accelpool.url" .) }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) }}
{{- list (dict "port" (int $port)) | toJson }}
{{- end }}
