# An image of quorated, with quorate-wal and quoratectl beside it. CI does not run this file: no container engine is at hand there.
#
#   docker build -t quorate .
#   docker run -p 7070:7070 quorate --host 0.0.0.0
#   docker run --rm -v VOLUME:/data --entrypoint quorate-wal quorate verify /data

FROM debian:12 AS build
WORKDIR /src
COPY tools/setup tools/setup
RUN tools/setup build
COPY . .
RUN tools/build release quorated quorate-wal quoratectl

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl libabsl20220623 libcurl4 libfmt9 libisal2 libmimalloc2.0 libspdlog1.10 libuv1 libxxhash0 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65534 -g 65534 -m 0700 /data
COPY --from=build /src/build/release/bin/quorated /src/build/release/bin/quorate-wal /src/build/release/bin/quoratectl /usr/local/bin/
USER 65534:65534
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 7070
# The stop is graceful: leadership moves, what is under way ends, the log is flushed.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/quorated"]
