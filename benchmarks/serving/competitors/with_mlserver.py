"""MLServer: a custom runtime, as its guide says; settings come from `servers.py`."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from v2 import Network


class Digits(MLModel):
    async def load(self) -> bool:
        self.network = Network()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        images = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        result = self.network.run(images.astype("float32", copy=False))
        output = NumpyCodec.encode_output(self.network.output, result)
        return InferenceResponse(model_name=self.name, outputs=[output])
