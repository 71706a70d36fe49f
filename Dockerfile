# soil-pyg on a CPU: docker build -t soil-pyg .
FROM python:3.11-slim

WORKDIR /src
COPY pyproject.toml setup.cfg README.md LICENSE constraints.txt ./
COPY soil_pyg soil_pyg
# The index of PyTorch has builds without CUDA, which are 2 GB smaller.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -c constraints.txt ".[cpu,report,serve]"

RUN useradd --create-home shop
USER shop
WORKDIR /home/shop
EXPOSE 8000
ENTRYPOINT ["soil-pyg"]
CMD ["--help"]
