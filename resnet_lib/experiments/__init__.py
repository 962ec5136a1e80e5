"""The science of the chapters: one module a chapter, each a set of experiments, measures and drawings."""
