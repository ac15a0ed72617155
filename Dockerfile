# One image for every part of the product: the command says which (migrate, seed, worker, api).

FROM python:3.13-slim AS requirements
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements/app.txt /tmp/app.txt
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/app.txt

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin abonent
COPY --from=requirements /opt/venv /opt/venv
WORKDIR /app
COPY settings.py ./
COPY models ./models
COPY activities ./activities
COPY workflows ./workflows
COPY api ./api
COPY workers ./workers
COPY migrations ./migrations
# The entry that pyproject.toml names, made by hand: the product runs from its root and is never installed.
RUN printf '#!/opt/venv/bin/python\nimport sys\n\nfrom workers.cli import main\n\nsys.exit(main())\n' \
        > /usr/local/bin/abonent \
    && chmod 755 /usr/local/bin/abonent \
    && python -m compileall -q /app
USER abonent
ENTRYPOINT ["abonent"]
CMD ["api"]
