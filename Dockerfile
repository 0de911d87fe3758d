# agent-bridge in a container: the pinned requirements, the program, and nobody's root. See docs/operations.md.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.txt pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /app \
    && /app/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: --requirement requirements.txt \
    && /app/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /app /app
COPY servers.yaml /etc/agent-bridge/servers.yaml
RUN useradd --create-home bridge
USER bridge
ENV PATH=/app/bin:$PATH AGENT_BRIDGE_CONFIG=/etc/agent-bridge/servers.yaml
EXPOSE 8000
ENTRYPOINT ["agent-bridge"]
CMD ["serve", "--transport", "http", "--host", "0.0.0.0", "--port", "8000"]
