"""The Helm chart, and what is generated into it: its values' schema, the rules, the dashboards, a kustomize base."""
