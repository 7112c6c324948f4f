"""Conformance checks for environments: does a world keep the contract that trainers rely on?"""
