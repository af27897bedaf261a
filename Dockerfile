# One image for every part of compose.yaml: the Prefect server, the set-up of the schedules, and workers. Nothing secret is in it.
FROM python:3.11.13-slim-bookworm

RUN useradd --uid 1000 --create-home pagemill \
    && mkdir -p /data /archive /home/pagemill/app \
    && chown pagemill:pagemill /data /home/pagemill/app

WORKDIR /home/pagemill/app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY schemas ./schemas
COPY extractors ./extractors
COPY flows ./flows
# The constraints hold for what builds the package, too.
RUN PIP_CONSTRAINT=/home/pagemill/app/constraints.txt pip install --no-cache-dir '.[s3,dask]'

USER pagemill
ENV PYTHONUNBUFFERED=1 DO_NOT_TRACK=1
CMD ["pagemill", "--help"]
