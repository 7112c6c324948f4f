"""Conformance checks for algorithms: does one keep what every algorithm promises?"""
