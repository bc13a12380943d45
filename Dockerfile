# Rollcall's image: one static program, and nothing else that can run. Build it with `make image`, or:
#
#	docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/rollcall:v1.0.0 .
#
# The target demo is another image, which `make demo-image` builds: the demo, with the program, an emulated Slack and a
# simulated cluster in it. Nothing of these is in Rollcall's own image.
#
# The context must hold .git: the version in the program comes from the commit, and the same commit
# makes the same program, byte for byte, wherever it is built.

# To pin the base, give its digest too: --build-arg BUILD_IMAGE=docker.io/library/golang:1.26.8-bookworm@sha256:…
# It needs Go, git and CA certificates.
ARG BUILD_IMAGE=docker.io/library/golang:1.26.8-bookworm

FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS source
WORKDIR /src
COPY . .
ENV CGO_ENABLED=0 GOFLAGS= GOTOOLCHAIN=local
RUN mkdir -p /out/etc/ssl/certs && cp -L /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM source AS build-demo
ARG TARGETOS
ARG TARGETARCH
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=true -ldflags="-s -w" -o /out/demo ./cmd/demo
RUN go -C tools run ./licences -binary /out/demo -out /out
RUN mkdir -p /out/tmp

FROM scratch AS demo
ARG VERSION=devel
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Rollcall's demo" \
      org.opencontainers.image.description="Rollcall in a browser, with an emulated Slack and a simulated cluster" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build-demo /out/etc /etc
COPY --from=build-demo /out/licences /licences
COPY --from=build-demo /out/sbom.cdx.json /sbom.cdx.json
COPY --from=build-demo --chown=65532:65532 /out/tmp /tmp
COPY --from=build-demo /out/demo /demo
USER 65532:65532
# The only folder that can be written, where the root cannot: --read-only --tmpfs /tmp.
WORKDIR /tmp
# A published port reaches the page through the container's address, not through its loopback.
ENV TMPDIR=/tmp DEMO_ADDR=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["/demo"]

FROM source AS build
ARG TARGETOS
ARG TARGETARCH
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=true -ldflags="-s -w" -o /out/rollcall ./cmd/bot
# The licences of all that is linked, and the bill of materials (CycloneDX), both from the program itself.
RUN go -C tools run ./licences -binary /out/rollcall -out /out
RUN mkdir -p /out/var/lib /out/ledger

FROM scratch AS rollcall
ARG VERSION=devel
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Rollcall" \
      org.opencontainers.image.description="Tells Slack which Kubernetes nodes join and leave, why, and what they cost" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/etc /etc
COPY --from=build /out/licences /licences
COPY --from=build /out/sbom.cdx.json /sbom.cdx.json
COPY --from=build /out/var /var
COPY --from=build --chown=65532:65532 /out/ledger /var/lib/rollcall
COPY --from=build /out/rollcall /rollcall
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
# The only folder that can be written: the ledger's volume.
WORKDIR /var/lib/rollcall
ENV TMPDIR=/var/lib/rollcall
EXPOSE 8080
ENTRYPOINT ["/rollcall"]
