# The service and its page; no compiler, no TensorFlow, no root.
#   docker build -t scanline . && docker run -p 7860:7860 --read-only --tmpfs /tmp scanline
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN python3 -m venv /venv
COPY requirements-serve.txt .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r requirements-serve.txt \
    && /venv/bin/pip uninstall -y --disable-pip-version-check pip setuptools
COPY model/__init__.py model/signature.py model/preprocess.py model/photo.py model/strokes.py \
     model/stages.py model/several.py \
     model/cards.py model/weights.py model/reference.py model/backward.py \
     /app/model/
COPY serving /app/serving/
# A read-only root cannot keep bytecode: without it every start compiles.
RUN /venv/bin/python -m compileall -q /app

FROM ${PYTHON_IMAGE}
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY model/release /app/model/release/
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    SCANLINE_HOST=0.0.0.0 \
    SCANLINE_PORT=7860
USER 1000:1000
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"SCANLINE_PORT\"]}/v2/health/ready', timeout=2)"]
CMD ["python", "-m", "serving"]
