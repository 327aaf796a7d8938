"""deploy/: each file by the schema of who reads it, and every name, port and path in it exists."""

import ipaddress
import json
import re
import signal

import httpx
import kubernetes_validate
from check_jsonschema.builtin_schemas import get_builtin_schema
from fastapi.testclient import TestClient
from jsonschema.validators import validator_for

from model.export import tf_serving
from serving.app import create_app
from serving.inference.models import Models
from serving.settings import Settings, unknown_variables
from tests.support.manifests import (
    COMPOSE,
    CUSTOM,
    DEPLOY,
    OBJECTS,
    OURS,
    OWN,
    POD,
    PODS,
    SERVICES,
    container,
    probes,
    variables,
)
from tests.support.running import ROOT, free_ports, running, wait_for

KUBERNETES = "1.33"  # not the newest: clusters are not either
GIVEN = {name: variables(pod) for name, pod in PODS.items()}
GIVEN["compose"] = SERVICES[OURS]["environment"]
PORTS = "SCANLINE_PORT", "SCANLINE_GRPC_PORT"


def test_all_are_valid():
    pods = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": OURS}}
    # KServe's own fields have no schema in a package; all others are a pod's.
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}
    spec = {name: value for name, value in OWN["spec"]["predictor"].items() if name not in own}
    for each in [*(OBJECTS[kind] for kind in set(OBJECTS) - CUSTOM), pods | {"spec": spec}]:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
    schema = get_builtin_schema("vendor.compose-spec")
    errors = validator_for(schema)(schema).iter_errors(COMPOSE)
    assert [error.message for error in errors] == []


# Names that belong together


def test_the_kustomization_lists_every_file():
    content = OBJECTS["Kustomization"]
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert set(content["resources"]) == files - {"kustomization.yaml", "service-monitor.yaml"}
    assert [image["name"] for image in content["images"]] == [container(POD)["image"]]


def test_labels_select_the_pods():
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"],
        OBJECTS["Service"]["spec"]["selector"],
        OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in POD["topologySpreadConstraints"]),
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    monitored = OBJECTS["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= OBJECTS["Service"]["metadata"]["labels"].items()
    target = OBJECTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == OBJECTS["Deployment"]["metadata"]["name"]


def test_ports_have_the_names_and_numbers_that_others_use():
    names = {port["name"] for port in container(POD)["ports"]}
    used = {port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]}
    [rule] = OBJECTS["NetworkPolicy"]["spec"]["ingress"]
    used |= {port["port"] for port in rule["ports"]}
    used |= {probe["httpGet"]["port"] for probe in probes(POD).values()}
    assert used <= names
    monitored = {each["port"] for each in OBJECTS["ServiceMonitor"]["spec"]["endpoints"]}
    assert monitored <= {port["name"] for port in OBJECTS["Service"]["spec"]["ports"]}
    for name, pod in PODS.items():
        ports = {str(port["containerPort"]) for port in container(pod)["ports"]}
        assert ports == {GIVEN[name][port] for port in PORTS if port in GIVEN[name]}
    image = re.search(r"EXPOSE (\d+)", (ROOT / "Dockerfile").read_text())[1]
    assert {image} == {values["SCANLINE_PORT"] for values in GIVEN.values()}
    proxy = SERVICES["proxy"]["environment"]
    inside = [f"{OURS}:{GIVEN['compose'][port]}" for port in PORTS]
    assert [proxy["SERVICE_HTTP"], proxy["SERVICE_GRPC"]] == inside


# Settings and paths that the service has


def test_every_variable_exists_and_every_value_is_read():
    for values in GIVEN.values():
        ours = {name: text for name, text in values.items() if name.startswith("SCANLINE_")}
        assert unknown_variables(ours) == []
        Settings.parse([], {name: text for name, text in ours.items() if text is not None})
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix in (".yaml", ".md", ".py", ".cfg"):
            written = re.findall(r"SCANLINE_[A-Z]+(?:_[A-Z]+)*", path.read_text())
            assert unknown_variables(dict.fromkeys(written, "")) == [], path


def test_every_pod_has_the_same_settings():
    # What KServe is told besides; its pods have no gRPC, which it cannot route beside REST.
    besides = {"PROTOCOL": "v2", "SCANLINE_GRPC_PORT": "9000"}
    ours, kserve = (set(GIVEN[name].items()) for name in PODS)
    assert ours ^ kserve == set(besides.items())


def test_the_proxy_where_tls_ends_is_believed():
    for values in GIVEN.values():
        parts = values["SCANLINE_FORWARDED_ALLOW_IPS"].split(",")
        believed = [ipaddress.ip_network(part) for part in parts]
        for address in ("10.1.2.3", "172.18.0.1", "192.168.65.1"):
            assert any(ipaddress.ip_address(address) in network for network in believed)
        assert all(network.is_private or network.prefixlen == 10 for network in believed)


def test_paths_are_answered(tiny_model):
    asked = {
        name: probe["httpGet"]["path"]
        for pod in PODS.values()
        for name, probe in probes(pod).items()
    }
    assert asked.pop("readinessProbe") == "/v2/health/ready"
    assert set(asked.values()) == {"/v2/health/live"}  # a server that drains is alive
    paths = {"/v2/health/ready", *asked.values()}
    paths |= {each["path"] for each in OBJECTS["ServiceMonitor"]["spec"]["endpoints"]}
    paths.add(OWN["metadata"]["annotations"]["prometheus.io/path"])
    with TestClient(create_app(Models([tiny_model]), Settings(ui=False))) as client:
        assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_there_is_time_to_stop():
    for name, pod in PODS.items():
        delay = container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = int(GIVEN[name]["SCANLINE_DRAIN_SECONDS"])
        assert delay + drain + 5 <= pod["terminationGracePeriodSeconds"]
        readiness = container(pod)["readinessProbe"]
        assert readiness["periodSeconds"] * readiness["failureThreshold"] < delay
    drain = int(GIVEN["compose"]["SCANLINE_DRAIN_SECONDS"])
    assert drain + 5 <= int(SERVICES[OURS]["stop_grace_period"].removesuffix("s"))


def test_the_deployments_variables_start_a_server_that_ends_with_0(tiny_model):
    given = {name: value for name, value in GIVEN["kubernetes"].items() if value is not None}
    given |= {name: str(port) for name, port in zip(PORTS, free_ports(2), strict=True)}
    url = f"http://127.0.0.1:{given['SCANLINE_PORT']}/v2/health/ready"
    given["SCANLINE_HOST"] = "127.0.0.1"
    with running("--model", str(tiny_model), **given) as process:
        wait_for(lambda: httpx.get(url).status_code == 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


# Hardening


def test_pods_are_restricted():
    for pod in PODS.values():
        # A Service called scanline would give SCANLINE_PORT=tcp://10.0.0.1:80, which is no port.
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        context = container(pod)["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {mount["mountPath"] for mount in container(pod)["volumeMounts"]} == {"/tmp"}
        assert "memory" in container(pod)["resources"]["limits"]


def test_composed_services_are_restricted():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert "ports" not in SERVICES[OURS]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len(ports) == len(set(ports))
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        check = service["healthcheck"]["test"]
        assert "--noproxy" in check or "curl" not in check  # a proxy of the environment: not asked
        assert service["mem_limit"]
        assert all(volume.endswith(":ro") for volume in service.get("volumes", []))


# What the page of deploy/ says


def test_engines_are_given_what_the_export_writes():
    text = (DEPLOY / "README.md").read_text()
    for name, flag in (("triton", "--triton"), ("tf-serving", "--tf-serving")):
        [volume] = SERVICES[name]["volumes"]
        source, target, _ = volume.split(":")
        assert f"{flag} {source.removeprefix('../')}" in text
        assert target in json.dumps([SERVICES[name].get("command", ""), target])
    entry = SERVICES["tf-serving"]["entrypoint"]
    assert f"--model_config_file={tf_serving.MOUNTED_AT}/{tf_serving.CONFIG}" in entry
    assert SERVICES["tf-serving"]["volumes"][0].split(":")[1] == tf_serving.MOUNTED_AT
    assert "--model-repository=/models" in SERVICES["triton"]["command"]


def test_rays_test_requirements_are_the_projects():
    pin = re.compile(r"^\W*([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", re.MULTILINE)
    project = dict(pin.findall((ROOT / "pyproject.toml").read_text()))
    for file in ("requirements.txt", "requirements-test.txt"):
        pins = dict(pin.findall((DEPLOY / "ray" / file).read_text()))
        common = pins.keys() & project.keys()
        assert common
        assert {name: pins[name] for name in common} == {name: project[name] for name in common}
