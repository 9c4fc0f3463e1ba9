"""The three Lambda functions of the example; they need boto3 only, which AWS's Python runtimes bring."""
