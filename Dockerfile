# One image for every worker and for the command line: `docker build -t quietcorner .`
#
# On x86-64 Linux pip's default build of torch carries gigabytes of GPU libraries. To get the small CPU build, point pip
# at torch's CPU wheels (its install page names their address) through a build argument:
#   docker build --build-arg PIP_EXTRA_ARGS="--extra-index-url ADDRESS" -t quietcorner .
# With Compose: PIP_EXTRA_ARGS="--extra-index-url ADDRESS" docker compose build
FROM python:3.12-slim

ARG PIP_EXTRA_ARGS=""

RUN useradd --uid 1000 --create-home quietcorner \
    && install --directory --owner=quietcorner --group=quietcorner --mode=0700 /data /files

WORKDIR /opt/quietcorner

# The dependencies first, in a layer that changes only with them.
COPY pyproject.toml scripts/constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
    > requirements.txt \
    && pip install --no-cache-dir ${PIP_EXTRA_ARGS} --constraint constraints.txt --requirement requirements.txt

COPY README.md LICENSE ./
COPY shared ./shared
COPY workers ./workers
RUN pip install --no-cache-dir --no-deps .

ENV PYTHONUNBUFFERED=1 \
    HF_HOME=/data/models \
    XDG_CACHE_HOME=/data/cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    QUIETCORNER_DATA_DIR=/data \
    TOKENIZERS_PARALLELISM=false

USER quietcorner
WORKDIR /files
VOLUME /data

ENTRYPOINT ["quietcorner"]
CMD ["--help"]
