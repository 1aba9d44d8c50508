{{- define "quartermaster.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" }}
{{- end }}

{{/* 53 characters, so that names made from it stay DNS labels. */}}
{{- define "quartermaster.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" }}
{{- else if contains (include "quartermaster.name" .) .Release.Name }}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "quartermaster.name" .) | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Cluster-wide objects carry the namespace in their name: two releases of one name do not collide. */}}
{{- define "quartermaster.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "quartermaster.fullname" .) }}
{{- end }}

{{- define "quartermaster.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "quartermaster.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed with serviceAccount.create: false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "quartermaster.selectorLabels" -}}
app.kubernetes.io/name: {{ include "quartermaster.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "quartermaster.labels" -}}
{{ include "quartermaster.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: quartermaster
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "quartermaster.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "quartermaster.trainerImage" -}}
{{- default (printf "quartermaster/trainer:%s" .Chart.AppVersion) .Values.trainer.image }}
{{- end }}

{{/* Where the operator reads a price list; empty without one. */}}
{{- define "quartermaster.priceCatalog" -}}
{{- with .Values.prices.catalog }}
{{- if and .url .configMap.name }}
{{- fail "prices.catalog: give either url or configMap.name, not both" }}
{{- end }}
{{- if .configMap.name }}
{{- printf "/etc/quartermaster/prices/%s" .configMap.key }}
{{- else }}
{{- .url }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port of a URL, its scheme's where it names none. */}}
{{- define "quartermaster.portOfUrl" -}}
{{- $url := urlParse . }}
{{- $named := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $named }}
{{- end }}
