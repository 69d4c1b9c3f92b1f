from shared.database import Database
from shared.project import ProjectConfig
from shared.repository.projects import create_project, hold_config, stored_config
from shared.tables import Project


def test_costs_that_were_stored_before_there_were_bounds_are_taken_for_the_bound(database: Database) -> None:
    with database.write() as session:
        assert create_project(session, "p", ProjectConfig(classes=("a", "b")))
        project = session.get_one(Project, 1)
        beyond = {"costs": {"a": 1e9, "b": 1e-9}, "error_costs": {"a": {"b": 1e7}}}
        project.config = {**project.config, **beyond}
        session.flush()
        for read in (stored_config, hold_config):
            config = read(session, project.id)
            assert config.costs == {"a": 1e6, "b": 1e-6}
            assert config.error_costs == {"a": {"b": 1e6}}
