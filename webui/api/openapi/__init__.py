"""The OpenAPI document of both APIs: what routes say of themselves, and what is sent and answered.

Knows the declarations (`webui.fields`, dataclasses), never the services.
"""
