// Which projects somebody or something reaches, in words.

export function projectsOf(projects: readonly string[] | null): string {
  return projects === null ? "all" : projects.join(", ") || "none";
}
