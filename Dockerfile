# An image with Litmus alone, serving the welcome application on port 8000. For your own application:
#
#     FROM litmus
#     COPY . /app
#     COPY litmus.toml /etc/litmus/litmus.toml
#     USER root
#     RUN pip install --no-cache-dir -r /app/requirements.txt
#     USER litmus
#
# with `chdir = "/app"` and `bind = ":8000"` in the litmus.toml (docker/litmus.toml is the one used here). Only root may
# install packages; the server, which can't change its own code, must not be left to root.

FROM python:3.13-slim AS build
# The hot modules are compiled here; the image that serves needs no compiler.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY litmus ./litmus
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && rm -r /wheels
# The control socket is in /run/litmus. The user's number is fixed, so that volumes can be given to it.
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin litmus \
    && mkdir -p /app /etc/litmus \
    && install -d -m 0700 -o litmus /run/litmus
COPY docker/litmus.toml /etc/litmus/litmus.toml
COPY --chmod=0755 docker/entrypoint.sh /usr/local/bin/litmus-entrypoint
ENV PYTHONUNBUFFERED=1
WORKDIR /app
USER litmus
EXPOSE 8000
STOPSIGNAL SIGTERM
# It fails when nobody answers, and when no worker is ready: one that only ever boots and crashes is not healthy.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s \
    CMD ["litmusctl", "-c", "/etc/litmus/litmus.toml", "status"]
ENTRYPOINT ["litmus-entrypoint"]
