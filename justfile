# The commands of daily work. `just` lists them; install it with `cargo install just`. CI does not need it: the recipes
# call the same scripts in .ci/ that CI calls, so that each command is defined once.

set positional-arguments

_list:
    @just --list --unsorted

# Start PostgreSQL, the API and a worker: `just run --demo`
run *ARGS:
    cargo run -- "$@"

# Format the code
format:
    cargo fmt --all

# Run all checks of .ci/checks, or only some: `just checks lints docs`
checks *PARTS:
    .ci/checks "$@"

# Run tests, all or by name or package: `just test drain`, `just test -p taskoverflow-worker`
test *ARGS:
    cargo test {{ if ARGS =~ '(^| )(-p|--package)' { "" } else { "--workspace" } }} --locked "$@"

# Run the tests, also those that need Python, libfaketime, make, perl, g++ or a network connection; installs what is missing
test-all:
    .ci/checks tests ignored

# Test the API against its OpenAPI description
openapi:
    .ci/openapi

# Test the page in real browsers; `just page --keep-pictures` also updates docs/images
page *ARGS:
    .ci/page-tests "$@"

# Check scripts, Terraform and images, all or only some: `just deployment terraform security`
deployment *PARTS:
    .ci/deployment "$@"

# Run everything that CI runs
ci:
    .ci/run

# Run the benchmark of the calendar writer
bench *ARGS:
    cargo bench --profile dist -p calendar --bench calendar "$@"

# Measure the whole service: `just measure pipeline --queue postgres: --jobs 20000 --peer celery`
measure *ARGS:
    cargo run --release --locked -p bench -- "$@"

# Build the launcher, the API and the worker with optimizations
release:
    cargo build --release --locked -p taskoverflow -p taskoverflow-api -p taskoverflow-worker

# Run many jobs under random faults: `just soak --jobs 10000 --workers 3 --seed 1 --queue postgres:`
soak *ARGS:
    cargo run --release --locked -p faults -- soak "$@"
