"""deploy/: every variable, port and path in it exists here, and everything is locked down."""

import json
import re
import signal

import httpx
import pytest
from fastapi.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from model.export import tf_serving
from serving.app import create_app
from serving.inference.models import Models
from serving.settings import Settings, variable_of
from tests.support.manifests import (
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
from tests.support.running import ROOT, free_port, running, wait_for


@pytest.fixture(scope="module")
def client(tiny_model):
    with TestClient(create_app(Models([tiny_model]), Settings())) as client:
        yield client


# Names and numbers that the service has


def test_every_variable_exists_and_every_value_is_read():
    known = {*map(variable_of, Settings.model_fields)}
    given = {name: variables(pod) for name, pod in PODS.items()}
    given["compose"] = SERVICES[OURS]["environment"]
    for where, values in given.items():
        for name, value in values.items():
            if name.startswith("SCANLINE_") and value is not None:
                assert name in known, (where, name)
                assert isinstance(value, str), (where, name)
                Settings.parse([], {name: value})
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix in (".yaml", ".md", ".py"):
            written = set(re.findall(r"SCANLINE_[A-Z]+(?:_[A-Z]+)*", path.read_text()))
            assert written <= known, path


def test_the_proxy_where_tls_ends_is_believed():
    for values in [*map(variables, PODS.values()), SERVICES[OURS]["environment"]]:
        given = values["SCANLINE_FORWARDED_ALLOW_IPS"]
        trusted = ProxyHeadersMiddleware(None, given).trusted_hosts
        for address in ("10.1.2.3", "172.18.0.1", "192.168.65.1"):
            assert address in trusted
        assert "203.0.113.7" not in trusted


def test_ports_are_those_of_the_settings():
    for pod in PODS.values():
        values = variables(pod)
        ports = {str(port["containerPort"]) for port in container(pod)["ports"]}
        assert ports == {values[n] for n in ("SCANLINE_PORT", "SCANLINE_GRPC_PORT") if n in values}
        assert values["SCANLINE_HOST"] == "0.0.0.0"
    image = re.search(r"EXPOSE (\d+)", (ROOT / "Dockerfile").read_text())[1]
    values = SERVICES[OURS]["environment"]
    assert image == values["SCANLINE_PORT"] == variables(POD)["SCANLINE_PORT"]
    inside = {port.rsplit(":", 1)[1] for port in SERVICES[OURS]["ports"]}
    assert inside == {values["SCANLINE_PORT"], values["SCANLINE_GRPC_PORT"]}


def test_every_pod_has_the_same_settings():
    # What KServe is told besides; its pods have no gRPC, which it cannot route beside REST.
    besides = {"PROTOCOL": "v2", "SCANLINE_GRPC_PORT": "9000"}
    ours, kserve = (set(variables(pod).items()) for pod in PODS.values())
    assert ours ^ kserve == set(besides.items())


def test_kubernetes_sets_no_variables_after_services_names():
    # A Service called scanline would give SCANLINE_PORT=tcp://10.0.0.1:80, which is no port.
    assert all(pod["enableServiceLinks"] is False for pod in PODS.values())


def test_paths_are_answered(client):
    paths = {probe["httpGet"]["path"] for pod in PODS.values() for probe in probes(pod).values()}
    paths |= {each["path"] for each in OBJECTS["ServiceMonitor"]["spec"]["endpoints"]}
    paths.add(OWN["metadata"]["annotations"]["prometheus.io/path"])
    asked = set(re.findall(r"'GET', '(/[\w/]+)'", json.dumps(SERVICES[OURS]["healthcheck"])))
    assert asked == {"/v2/health/ready"}
    paths |= asked
    assert len(paths) == 3
    for path in paths:
        assert client.get(path).status_code == 200, path


def test_readiness_and_liveness_ask_what_they_should():
    for pod in PODS.values():
        asked = {name: probe["httpGet"]["path"] for name, probe in probes(pod).items()}
        # A draining server is alive: only readiness may take it out.
        assert asked.pop("readinessProbe") == "/v2/health/ready"
        assert set(asked.values()) == {"/v2/health/live"}


def test_there_is_time_to_stop():
    for pod in PODS.values():
        values = variables(pod)
        delay, drain = (
            int(values[name]) for name in ("SCANLINE_SHUTDOWN_DELAY", "SCANLINE_DRAIN_SECONDS")
        )
        assert delay + drain + 5 <= pod["terminationGracePeriodSeconds"]
        readiness = container(pod)["readinessProbe"]
        assert readiness["periodSeconds"] * readiness["failureThreshold"] < delay
    drain = int(SERVICES[OURS]["environment"]["SCANLINE_DRAIN_SECONDS"])
    assert drain + 5 <= int(SERVICES[OURS]["stop_grace_period"].removesuffix("s"))


def test_the_deployments_variables_start_a_server_that_drains(tiny_model):
    ports = {"SCANLINE_PORT": free_port(), "SCANLINE_GRPC_PORT": free_port()}
    given = {name: value for name, value in variables(POD).items() if value is not None}
    given |= {name: str(port) for name, port in ports.items()}
    given |= {"SCANLINE_HOST": "127.0.0.1", "SCANLINE_SHUTDOWN_DELAY": "2"}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes(POD).items()}

    def ask(probe):
        return httpx.get(f"http://127.0.0.1:{ports['SCANLINE_PORT']}{paths[probe]}").status_code

    with running("--model", str(tiny_model), **given) as process:
        wait_for(lambda: ask("startupProbe") == ask("readinessProbe") == 200)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: ask("readinessProbe") == 503)
        assert ask("livenessProbe") == 200
        assert process.wait(POD["terminationGracePeriodSeconds"]) == 0


# Hardening


@pytest.mark.parametrize("name", PODS)
def test_pods_are_restricted(name):
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False
    context = container(pod)["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert {mount["mountPath"] for mount in container(pod)["volumeMounts"]} == {"/tmp"}
    assert "memory" in container(pod)["resources"]["limits"]


@pytest.mark.parametrize("name", SERVICES)
def test_composed_services_are_restricted(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    check = service["healthcheck"]["test"]
    assert check[0] == "CMD"
    assert "--noproxy" in check or "curl" not in check  # a proxy of the environment is not asked
    assert service["mem_limit"]
    assert all(volume.endswith(":ro") for volume in service.get("volumes", []))


def test_no_port_of_the_composed_services_is_taken_twice():
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service["ports"]]
    assert len(ports) == len(set(ports))


# Other engines


def test_engines_are_given_what_the_export_writes():
    text = (DEPLOY / "README.md").read_text()
    for name, flag in (("triton", "--triton"), ("tf-serving", "--tf-serving")):
        (volume,) = SERVICES[name]["volumes"]
        source, target, _ = volume.split(":")
        assert f"{flag} {source.removeprefix('../')}" in text
        assert f"{target}" in json.dumps([SERVICES[name].get("command", ""), target])
    entry = SERVICES["tf-serving"]["entrypoint"]
    assert f"--model_config_file={tf_serving.MOUNTED_AT}/{tf_serving.CONFIG}" in entry
    assert SERVICES["tf-serving"]["volumes"][0].split(":")[1] == tf_serving.MOUNTED_AT
    assert "--model-repository=/models" in SERVICES["triton"]["command"]


def test_commands_of_the_page_name_files_that_are_there():
    text = (DEPLOY / "README.md").read_text()
    named = set(re.findall(r"(?<![\w/.])(?:deploy|tests|model/release)/[\w./-]*\w", text))
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
