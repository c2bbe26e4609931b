import type { Flag, Tree, Words } from "./tree.ts";

export function powershellScript({ globals, commands }: Tree): string {
  const table = commands.map(
    ({ name, summary, flags, words }) =>
      `  ${quote(name)} = @{ Summary = ${quote(summary)}; Words = ${list(words)}; Flags = @(${flags.map(entry).join(", ")}) }`,
  );
  return `# PowerShell completion for runcode: runcode completion powershell | Out-String | Invoke-Expression
$script:runcodeGlobals = @(${globals.map(entry).join(", ")})
$script:runcodeCommands = [ordered]@{
${table.join("\n")}
}
Register-ArgumentCompleter -Native -CommandName runcode -ScriptBlock {
  param($current, $ast, $position)
  $before = @($ast.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { $_.ToString() })
  $command = $before | Where-Object { $script:runcodeCommands.Contains($_) } | Select-Object -First 1
  if ($command) {
    $further = $before | Where-Object { $script:runcodeCommands.Contains("$command $_") } | Select-Object -First 1
    if ($further) { $command = "$command $further" }
  }
  $flags = $script:runcodeGlobals
  if ($command) { $flags = $script:runcodeCommands[$command].Flags + $flags }
  $taker = if ($before) { $flags | Where-Object { $_.Takes -and $_.Names -contains $before[-1] } | Select-Object -First 1 }
  $words = if ($taker) { $taker.Words }
    elseif ($current -like '-*') { $flags | ForEach-Object { $_.Names } }
    elseif ($command) { $script:runcodeCommands[$command].Words }
    else { $script:runcodeCommands.Keys | Where-Object { $_ -notmatch ' ' } }
  if ("$words" -eq '<workspace>') { $words = @(runcode completion workspaces) }
  elseif ("$words" -eq '<remote>') { $words = @(runcode completion paths -- @before $current) | ForEach-Object { if ($_ -match '^[\\w./~+,:@%=-]+$') { $_ } else { "'" + $_.Replace("'", "''") + "'" } } }
  $words | Where-Object { $_ -like "$current*" } | ForEach-Object {
    $summary = if (-not $command -and $script:runcodeCommands.Contains($_)) { $script:runcodeCommands[$_].Summary } else { $_ }
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $summary)
  }
}
`;
}

function entry({ long, short, value }: Flag): string {
  const names = [long, ...(short === null ? [] : [short])].map(quote).join(", ");
  return `@{ Names = @(${names}); Takes = $${value !== null}; Words = ${value ? list(value) : "@()"} }`;
}

function list(words: Words): string {
  if (words.kind === "workspace") return "@('<workspace>')";
  // PowerShell itself offers files where a completer offers nothing; for both at once there is no such way.
  if (words.kind === "remote") return "@('<remote>')";
  return words.kind === "choices" ? `@(${words.choices.map(quote).join(", ")})` : "@()";
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
