# The image: the wheel is built in one stage, and installed by hashes in the next.
# Python 3.11 is the version that the tests run on.
FROM python:3.11-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
COPY deploy/requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt && rm /tmp/requirements.txt
COPY --from=build /wheels /tmp/wheels
RUN pip install --no-cache-dir --no-deps /tmp/wheels/*.whl && rm -r /tmp/wheels
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin chatkeep && install -d -o 10001 -g 10001 -m 0700 /data
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV CHATKEEP_DATABASE_URL=sqlite:////data/chatkeep.db PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["chatkeep", "health"]
ENTRYPOINT ["chatkeep"]
CMD ["serve", "--host", "0.0.0.0"]
