# One small image: the program with its libraries, time zones and the authorities of the web, and nothing else. `docker build -t drydock .`
FROM swift:6.3-bookworm AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libsqlite3-dev libzstd-dev zlib1g-dev ca-certificates tzdata
WORKDIR /src
COPY . .
RUN swift build -c release --static-swift-stdlib --product drydock \
    && Scripts/image-root "$(swift build -c release --static-swift-stdlib --show-bin-path)/drydock" /image

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/bin
USER 65532:65532
ENTRYPOINT ["/usr/bin/drydock"]
# What a Deployment runs that names no arguments.
CMD ["controller"]
