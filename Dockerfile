# The service and its page; no compiler, no TensorFlow, no pip, no root. `make image` builds it:
#   docker run -p 7860:7860 --read-only --tmpfs /tmp --cap-drop all scanline
# `--target api` is the same without the page and its packages.
# A release pins the base: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build-api
# pip stays in an environment of its own, which is left behind.
RUN python3 -m venv /pip && python3 -m venv --without-pip /venv
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_COMPILE=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_REQUIRE_HASHES=1
WORKDIR /build
COPY deploy/slim.py requirements-api.txt ./
RUN /pip/bin/pip --python /venv install -r requirements-api.txt \
    && /venv/bin/python slim.py /venv/lib/python3*/site-packages fastapi_offline numpy onnxruntime

FROM build-api AS build-page
COPY requirements-serve.txt ./
RUN /pip/bin/pip --python /venv install -r requirements-serve.txt \
    && /venv/bin/python slim.py /venv/lib/python3*/site-packages gradio hf_xet pandas

# A read-only root cannot keep bytecode, and without it every start compiles. It is taken
# without a look at the source's time, which some builders change.
FROM build-api AS bytecode-api
RUN /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM build-page AS bytecode-page
RUN /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM ${PYTHON_IMAGE} AS app
COPY model /app/model/
COPY serving /app/serving/
# Readable for all, whatever the checkout's umask was.
RUN chmod -R u=rwX,go=rX /app \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${PYTHON_IMAGE} AS service
WORKDIR /app
# It writes to nothing but /tmp, as HOME, and with several workers Prometheus's files to /dev/shm.
# MALLOC_...: what a burst of large requests took goes back to the system (measured: 60 s after it
# 1.3 times the memory of before, not 3.7 times).
ENV PATH=/venv/bin:$PATH \
    HOME=/tmp \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONUNBUFFERED=1 \
    SCANLINE_HOST=0.0.0.0 \
    SCANLINE_PORT=7860
# gRPC listens where SCANLINE_GRPC_PORT=9000 is set.
EXPOSE 7860 9000
STOPSIGNAL SIGTERM
# No key is needed for it, and no proxy from the environment stands in its way.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-IS", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['SCANLINE_PORT']), timeout=2); c.request('GET', '/v2/health/ready'); sys.exit(c.getresponse().status != 200)"]
# The kernel drops a signal for process 1 that has no handler yet, but keeps one that is blocked:
# `serving` lets it through as soon as it has the handler, 0.1 s after the start.
CMD ["env", "--block-signal=TERM", "--block-signal=INT", "python", "-m", "serving"]
ARG VERSION=
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="Scanline" \
      org.opencontainers.image.description="A recurrent network reads handwritten digits line by line: page, REST and gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"

FROM service AS api
ENV SCANLINE_UI=0
COPY --from=bytecode-api /venv /venv
COPY --from=app /app /app
USER 1000:1000

FROM service AS page
COPY --from=bytecode-page /venv /venv
COPY --from=app /app /app
USER 1000:1000
