"""The files of deploy/, read for the tests of them."""

import yaml

from tests.support.running import ROOT

DEPLOY = ROOT / "deploy"
OURS = "scanline"


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


COMPOSE = documents(DEPLOY / "compose.yaml")[0]
SERVICES = COMPOSE["services"]
OBJECTS = {
    document["kind"]: document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in documents(path)
}
CUSTOM = {"ServiceMonitor", "Kustomization"}  # not of Kubernetes itself
# One service a file: `kubectl apply` makes all that a file has.
(OWN,) = documents(DEPLOY / "kserve" / "scanline.yaml")
(TRITON,) = documents(DEPLOY / "kserve" / "triton.yaml")
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
PODS = {"kubernetes": POD, "kserve": OWN["spec"]["predictor"]}


def container(pod):
    (only,) = pod["containers"]
    return only


def variables(pod):
    return {each["name"]: each.get("value") for each in container(pod)["env"]}


def probes(pod):
    return {name: each for name, each in container(pod).items() if name.endswith("Probe")}
