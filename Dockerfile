# What is tested on Python 3.11 runs on Python 3.11.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/src/constraints.txt
RUN python -m venv /opt/dust
WORKDIR /src
COPY . .
RUN /opt/dust/bin/pip install .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin dust
COPY --from=build /opt/dust /opt/dust
COPY manage.py /app/
WORKDIR /app
ENV PATH=/opt/dust/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER dust
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["python", "-c", \
  "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/ready', timeout=5)"]
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0"]
