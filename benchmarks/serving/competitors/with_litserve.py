"""LitServe as its guide says.

Off are its batching, its fast queue and threads for its API: each was tried with one setting,
for two or three rounds of a few seconds on a busy machine, and was not seen to be faster. That
is no measurement of what they can do.
"""

import os

import litserve
from v2 import Network, images_of


class Digits(litserve.LitAPI):
    def setup(self, device):  # noqa: ARG002
        self.network = Network()

    def decode_request(self, request):
        return images_of(request)

    def predict(self, images):
        return self.network.run(images)

    def encode_response(self, result):
        return self.network.answer(result)


if __name__ == "__main__":
    server = litserve.LitServer(Digits(api_path=os.environ["ROUTE"]), accelerator="cpu")
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
