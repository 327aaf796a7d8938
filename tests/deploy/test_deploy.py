"""deploy/: each file by the schema of who reads it, and the names that belong together."""

import json

import kubernetes_validate
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema.validators import validator_for

from tests.support.manifests import (
    COMPOSE,
    CUSTOM,
    DEPLOY,
    OBJECTS,
    OURS,
    OWN,
    POD,
    TRITON,
    container,
    probes,
    variables,
)
from tests.support.running import ROOT

KUBERNETES = "1.33"  # not the newest: clusters are not either


# By schema


@pytest.mark.parametrize("kind", sorted(set(OBJECTS) - CUSTOM))
def test_kubernetes_objects_are_valid(kind):
    kubernetes_validate.validate(OBJECTS[kind], KUBERNETES, strict=True)


def test_the_validator_would_notice():
    broken = json.loads(json.dumps(OBJECTS["Deployment"]))
    container(broken["spec"]["template"]["spec"])["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_all_that_was_asked_for_is_there():
    assert set(OBJECTS) - CUSTOM == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
    }


def test_the_kserve_predictors_pod_is_a_valid_pod():
    # KServe's own fields have no schema in a package; all others are a pod's.
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}
    spec = {name: value for name, value in OWN["spec"]["predictor"].items() if name not in own}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": OURS}, "spec": spec}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_the_kserve_services_have_fields_that_kserve_has():
    # V1beta1PredictorSpec and V1beta1ModelSpec of the package kserve 0.21, compared by hand.
    for service in (OWN, TRITON):
        assert set(service) == {"apiVersion", "kind", "metadata", "spec"}
        assert service["apiVersion"] == "serving.kserve.io/v1beta1"
        assert service["kind"] == "InferenceService"
        assert set(service["spec"]) == {"predictor"}
    predictor = TRITON["spec"]["predictor"]
    assert set(predictor) == {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "model"}
    model = predictor["model"]
    known = {"modelFormat", "runtime", "protocolVersion", "storageUri", "resources"}
    assert set(model) == known
    assert model["modelFormat"]["name"] == "triton"
    assert model["protocolVersion"] == variables(OWN["spec"]["predictor"])["PROTOCOL"] == "v2"


def test_the_service_monitor_has_fields_that_the_operator_has():
    # ServiceMonitorSpec and Endpoint of monitoring.coreos.com/v1, compared by hand.
    monitor = OBJECTS["ServiceMonitor"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor["spec"]) == {"selector", "endpoints"}
    (endpoint,) = monitor["spec"]["endpoints"]
    assert set(endpoint) == {"port", "path", "interval"}


def test_compose_is_valid():
    schema = get_builtin_schema("vendor.compose-spec")
    validator = validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    assert not validator.is_valid(COMPOSE | {"services": {OURS: {"read_onli": True}}})


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
        *(s["labelSelector"]["matchLabels"] for s in POD["topologySpreadConstraints"]),
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    monitored = OBJECTS["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= OBJECTS["Service"]["metadata"]["labels"].items()
    target = OBJECTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (
        "Deployment",
        OBJECTS["Deployment"]["metadata"]["name"],
    )


def test_ports_have_the_names_that_others_use():
    names = {port["name"] for port in container(POD)["ports"]}
    used = {port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]}
    (rule,) = OBJECTS["NetworkPolicy"]["spec"]["ingress"]
    used |= {port["port"] for port in rule["ports"]}
    used |= {probe["httpGet"]["port"] for probe in probes(POD).values()}
    assert used <= names
    monitored = {each["port"] for each in OBJECTS["ServiceMonitor"]["spec"]["endpoints"]}
    assert monitored <= {port["name"] for port in OBJECTS["Service"]["spec"]["ports"]}


def test_rays_test_requirements_are_the_projects():
    lines = (DEPLOY / "ray" / "requirements-test.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    project = (ROOT / "pyproject.toml").read_text()
    assert len(pins) > 2
    assert all(f'"{pin}"' in project for pin in pins)
