"""Projects: who pays. Declared by people; those that spend without having been declared are shown beside them."""

from voicegateway_controller.projects.definitions import ProjectDefinitions, ProjectSpec, parse_projects
from voicegateway_controller.projects.service import Applied, Projects
from voicegateway_controller.projects.view import ProjectsView

__all__ = ["Applied", "ProjectDefinitions", "ProjectSpec", "Projects", "ProjectsView", "parse_projects"]
