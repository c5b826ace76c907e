"""The log between stages: Kafka, in memory."""
