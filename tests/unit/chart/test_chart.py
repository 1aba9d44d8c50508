import re

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml

from quartermaster.api import crd
from quartermaster.settings import Settings, from_environment
from tests.support.chart import CHART, NAMESPACE, VALUES, Json, helm, of_kind, rendered, template
from tests.support.kubectl import ROOT, NoClusterError, program

try:
    program("helm")
except NoClusterError as error:
    pytest.skip(str(error), allow_module_level=True)

FILES = sorted(path.name for path in VALUES.glob("*.yaml"))
KUBERNETES = ("1.29", "1.31", "1.34")
MONITORING = frozenset({"ServiceMonitor", "PrometheusRule"})
"""Kinds of the Prometheus Operator, of which the validator has no schema."""
EVERY = pytest.mark.parametrize("values", FILES)


def the(objects: list[Json]) -> Json:
    (only,) = objects
    return only


def pod_of(values: str) -> Json:
    template_of_pod: Json = the(of_kind(rendered(values), "Deployment"))["spec"]["template"]
    return template_of_pod


def container_of(values: str) -> Json:
    container: Json = the(pod_of(values)["spec"]["containers"])
    return container


def test_lint_has_nothing_to_say() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@EVERY
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid_kubernetes(values: str, version: str) -> None:
    for document in rendered(values):
        if document["kind"] not in {"CustomResourceDefinition", *MONITORING}:
            kubernetes_validate.validate(document, version, strict=True)


@EVERY
def test_every_object_says_where_it_comes_from(values: str) -> None:
    for document in rendered(values):
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "quartermaster"


@EVERY
def test_no_name_is_longer_than_a_dns_label(values: str) -> None:
    for document in rendered(values):
        if document["kind"] in {"Service", "Deployment"}:
            assert len(document["metadata"]["name"]) <= 63


@EVERY
def test_the_pod_fits_the_restricted_security_standard(values: str) -> None:
    pod = pod_of(values)["spec"]
    container = container_of(values)
    own = container["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["allowPrivilegeEscalation"] is False
    assert own["readOnlyRootFilesystem"] is True
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    kinds = {kind for volume in pod["volumes"] for kind in volume.keys() - {"name"}}
    assert kinds <= {"emptyDir", "configMap", "persistentVolumeClaim"}


@EVERY
def test_no_rule_is_wider_than_its_words(values: str) -> None:
    for role in [*of_kind(rendered(values), "ClusterRole"), *of_kind(rendered(values), "Role")]:
        for rule in role["rules"]:
            words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "*" not in words
            assert not {"secrets", "pods/exec", "serviceaccounts/token"} & set(words)
            assert not {"escalate", "bind", "impersonate"} & set(words)


def operator_rules() -> set[tuple[str, str]]:
    roles = of_kind(rendered("default.yaml"), "ClusterRole")
    role = the([one for one in roles if one["metadata"]["name"] == f"{NAMESPACE}:qm-quartermaster"])
    return {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_operator_cannot_change_what_a_user_asked_for_elsewhere() -> None:
    rules = operator_rules()
    assert ("trainingjobs", "create") not in rules
    assert ("computepools", "patch") not in rules
    assert ("computequeues", "patch") not in rules
    assert ("budgets", "patch") not in rules
    assert ("budgets/status", "patch") in rules
    assert ("namespaces", "patch") not in rules
    assert ("pods", "create") not in rules
    assert ("nodes", "patch") not in rules


def test_people_with_view_see_and_people_with_edit_run_jobs() -> None:
    roles = {
        role["metadata"]["name"]: role for role in of_kind(rendered("default.yaml"), "ClusterRole")
    }
    view = roles[f"{NAMESPACE}:qm-quartermaster:view"]
    edit = roles[f"{NAMESPACE}:qm-quartermaster:edit"]
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert the(view["rules"])["verbs"] == ["get", "list", "watch"]
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    assert the(edit["rules"])["resources"] == ["trainingjobs"]


def test_who_administers_a_namespace_says_what_may_be_spent_and_who_edits_in_it_does_not() -> None:
    roles = {
        role["metadata"]["name"]: role for role in of_kind(rendered("default.yaml"), "ClusterRole")
    }
    admin = roles[f"{NAMESPACE}:qm-quartermaster:admin"]
    assert the(admin["rules"])["resources"] == ["budgets"]
    labels = admin["metadata"]["labels"]
    assert labels["rbac.authorization.k8s.io/aggregate-to-admin"] == "true"
    assert "rbac.authorization.k8s.io/aggregate-to-edit" not in labels


@EVERY
def test_the_operator_reads_every_setting_that_the_chart_gives(values: str) -> None:
    known = {f"QM_{name.upper()}" for name in Settings.__dataclass_fields__}
    given = {one["name"] for one in container_of(values)["env"] if one["name"].startswith("QM_")}
    assert given <= known


def test_the_settings_meet_the_ports_and_the_service() -> None:
    container = container_of("default.yaml")
    settings = from_environment({e["name"]: e["value"] for e in container["env"] if "value" in e})
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    service = the(of_kind(rendered("default.yaml"), "Service"))
    host = f"{service['metadata']['name']}.{NAMESPACE}.svc"
    assert (settings.http_port, settings.metrics_port) == (ports["http"], ports["metrics"])
    assert settings.progress_url == f"http://{host}:8080/v1/progress"
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)


def test_the_service_finds_the_pod() -> None:
    service = the(of_kind(rendered("default.yaml"), "Service"))
    labels = pod_of("default.yaml")["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_a_digest_wins_over_the_tag() -> None:
    assert container_of("private-images.yaml")["image"].startswith(
        "registry.example.com:5000/team/operator@sha256:"
    )


@pytest.mark.parametrize(("values", "want"), [("default.yaml", 0), ("two-replicas.yaml", 1)])
def test_a_disruption_budget_never_blocks_a_single_replica(values: str, want: int) -> None:
    assert len(of_kind(rendered(values), "PodDisruptionBudget")) == want


def test_the_definitions_are_those_of_the_models_and_stay() -> None:
    found = of_kind(rendered("default.yaml"), "CustomResourceDefinition")
    by_name = {one["metadata"]["name"]: one for one in found}
    assert by_name == {kind.crd_name: crd.definition(kind) for kind in crd.KINDS}
    assert all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in found)


def test_the_definitions_can_be_left_out() -> None:
    assert of_kind(rendered("no-crds.yaml"), "CustomResourceDefinition") == []


def test_an_administrator_can_bring_account_and_roles() -> None:
    kinds = {document["kind"] for document in rendered("own-account.yaml")}
    assert kinds == {"ConfigMap", "CustomResourceDefinition", "Deployment", "Service"}
    assert pod_of("own-account.yaml")["spec"]["serviceAccountName"] == "my-operator"


def test_the_network_policy_speaks_of_the_operators_own_pod() -> None:
    policy = the(of_kind(rendered("closed-network.yaml"), "NetworkPolicy"))
    labels = pod_of("closed-network.yaml")["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def environment(values: str) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container_of(values)["env"] if "value" in one}


def test_a_price_list_in_a_config_map_is_where_the_operator_reads_it() -> None:
    told = from_environment(environment("price-list.yaml"))
    mounts = {it["name"]: it["mountPath"] for it in container_of("price-list.yaml")["volumeMounts"]}
    volumes = {it["name"]: it for it in pod_of("price-list.yaml")["spec"]["volumes"]}
    assert told.price_catalog == f"{mounts['prices']}/list.csv"
    assert told.price_catalog_hours == 1
    assert volumes["prices"]["configMap"] == {"name": "our-prices", "optional": True}


def test_a_price_list_at_an_address_can_be_reached_through_a_closed_network() -> None:
    told = from_environment(environment("price-url.yaml"))
    assert told.price_catalog == "https://prices.example.com:8443/gpus.csv"
    policy = the(of_kind(rendered("price-url.yaml"), "NetworkPolicy"))
    out = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert out == {53, 6443, 8443}


@pytest.mark.parametrize(
    ("url", "want"), [("https://a.example/p", 443), ("http://a.example", 80), ("http://a:81/", 81)]
)
def test_the_network_is_opened_for_the_port_of_the_list_alone(url: str, want: int) -> None:
    done = template("--set", f"prices.catalog.url={url}", "--set", "networkPolicy.enabled=true")
    assert done.returncode == 0, done.stderr
    policy = the(of_kind(list(yaml.safe_load_all(done.stdout)), "NetworkPolicy"))
    assert policy["spec"]["egress"][-1]["ports"] == [{"port": want, "protocol": "TCP"}]


def test_without_a_price_list_there_is_nothing_of_it() -> None:
    assert not [name for name in environment("default.yaml") if "PRICE" in name]
    assert [it["name"] for it in pod_of("default.yaml")["spec"]["volumes"]] == ["tmp", "ledger"]


NONSENSE = (
    ("prices.catalog.url=ftp://a", "does not match pattern"),
    ("prices.catalog.url=http://a,prices.catalog.configMap.name=b", "either url or configMap.name"),
    ("prices.refreshHours=0", "minimum: got 0, want 0.1"),
    ("prices.list=a", "additional properties 'list' not allowed"),
    ("replicas=3", "maximum: got 3, want 2"),
    ("replicas=-1", "minimum: got -1, want 0"),
    ("replicas=two", "got string, want integer"),
    ("logLevel=loud", "value must be one of 'debug', 'info', 'warning', 'error'"),
    ("image.pullPolicy=Sometimes", "value must be one of"),
    ("image.tag=a b", "does not match pattern"),
    ("image.digest=sha256:12", "does not match pattern"),
    ("image.repository=", "minLength"),
    ("image.name=operator", "additional properties 'name' not allowed"),
    ("replicaCount=1", "additional properties 'replicaCount' not allowed"),
    ("crds.install=perhaps", "got string, want boolean"),
    ("resources.limits.memory=lots", "does not match pattern"),
    ("resources.limits.gpu=1", "additional properties 'gpu' not allowed"),
    ("networkPolicy.apiServerPorts={0}", "minimum: got 0, want 1"),
    ("fullnameOverride=Quartermaster", "does not match pattern"),
    ("serviceAccount.create=false", "serviceAccount.name is needed"),
    ("monitoring.maxJobSeries=-1", "minimum: got -1, want 0"),
    ("monitoring.serviceMonitor.interval=often", "does not match pattern"),
    ("monitoring.prometheusRule.docsUrl=docs", "does not match pattern"),
)


@pytest.mark.parametrize(("setting", "want"), NONSENSE)
def test_values_that_make_no_sense_are_refused(setting: str, want: str) -> None:
    done = template("--set", setting)
    assert done.returncode != 0
    assert want in done.stderr


def test_every_value_is_documented_where_it_stands() -> None:
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    undocumented = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if re.match(r"[a-zA-Z]+: (?!\{\}|\[\])\S", line) and not before.lstrip().startswith("#")
    ]
    assert undocumented == []


def test_the_schema_knows_every_value() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values.keys() == schema["properties"].keys() - {"global"}


def test_the_chart_and_the_project_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart["version"]}"' in project
    assert chart["appVersion"] == chart["version"]


def environment_of(values: str) -> dict[str, Json]:
    return {each["name"]: each for each in container_of(values)["env"]}


def test_a_ledger_lies_on_a_volume_of_its_own_and_survives_with_a_claim() -> None:
    for values, want in (
        ("default.yaml", {"emptyDir": {"sizeLimit": "2Gi"}}),
        (
            "ledger-on-a-claim.yaml",
            {"persistentVolumeClaim": {"claimName": "quartermaster-ledger"}},
        ),
    ):
        url = environment_of(values)["QM_LEDGER_URL"]["value"]
        mounts = {each["name"]: each["mountPath"] for each in container_of(values)["volumeMounts"]}
        assert url == f"sqlite:///{mounts['ledger']}/ledger.db"
        volumes = [v for v in pod_of(values)["spec"]["volumes"] if v["name"] == "ledger"]
        assert volumes == [{"name": "ledger", **want}]


def test_a_password_comes_from_a_secret_and_the_way_to_it_is_open() -> None:
    values = "ledger-in-postgresql.yaml"
    assert environment_of(values)["QM_LEDGER_URL"] == {
        "name": "QM_LEDGER_URL",
        "valueFrom": {"secretKeyRef": {"name": "ledger", "key": "url"}},
    }
    assert "ledger" not in {volume["name"] for volume in pod_of(values)["spec"]["volumes"]}
    policy = the(of_kind(rendered(values), "NetworkPolicy"))
    assert 6432 in {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


def test_without_a_ledger_there_is_no_trace_of_one() -> None:
    assert "ledger" not in str(the(of_kind(rendered("no-ledger.yaml"), "Deployment"))).lower()


def test_nothing_of_the_prometheus_operator_is_there_unless_it_is_asked_for() -> None:
    for values in FILES:
        found = {document["kind"] for document in rendered(values)} & MONITORING
        assert found == (MONITORING if values == "monitored.yaml" else set())


def test_a_service_monitor_finds_the_service_and_keeps_the_jobs_own_labels() -> None:
    monitor = the(of_kind(rendered("monitored.yaml"), "ServiceMonitor"))
    service = the(of_kind(rendered("monitored.yaml"), "Service"))
    endpoint = the(monitor["spec"]["endpoints"])
    labels = service["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == [NAMESPACE]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["honorLabels"] is True
    assert endpoint["interval"] == "15s"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_the_rules_come_into_the_cluster_as_they_are_in_their_files() -> None:
    found = of_kind(rendered("monitored.yaml"), "PrometheusRule")
    specs = {one["metadata"]["name"]: one["spec"] for one in found}
    docs = "https://git.example.com/team/quartermaster/docs/"
    want = {
        f"qm-quartermaster-{path.stem}": yaml.safe_load(
            path.read_text().replace("runbook_url: docs/", f"runbook_url: {docs}")
        )
        for path in (CHART / "rules").glob("*.yaml")
    }
    assert specs == want
    assert "{{ $labels.namespace }}" in str(specs)
    assert all(one["metadata"]["labels"]["release"] == "prometheus" for one in found)


def test_how_many_jobs_have_series_can_be_set() -> None:
    assert from_environment(environment("monitored.yaml")).max_job_series == 500
    assert environment("default.yaml")["QM_MAX_JOB_SERIES"] == str(Settings().max_job_series)
