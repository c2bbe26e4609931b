# Installs runcode on Windows: finds out which build this machine needs, downloads it, checks it against the release's
# checksums, and only then puts it in place, by rename. Windows PowerShell 5.1 or PowerShell 7.
#
#   .\install.ps1 [-Version X] [-Prefix DIR] [-DryRun] [-Uninstall]
#
# RUNCODE_DOWNLOAD_BASE names a mirror with the layout of the release page: latest/download/FILE and download/vX/FILE.
# All of it is functions, called on the last line: of a script that arrived cut off, nothing runs.
param(
    [string]$Version = '',
    [string]$Prefix = '',
    [switch]$DryRun,
    [switch]$Uninstall
)

function Get-DownloadBase {
    $base = $env:RUNCODE_DOWNLOAD_BASE
    if (-not $base) { $base = 'https://github.com/runcode-io/runcode-cli/releases' }
    $uri = $null
    if (-not [Uri]::TryCreate($base, [UriKind]::Absolute, [ref]$uri) -or $uri.UserInfo -or $uri.Query -or $uri.Fragment) {
        throw "RUNCODE_DOWNLOAD_BASE is not a plain URL: $base"
    }
    # Plain http is good enough for this very machine, and for nothing else.
    $isHere = $uri.Scheme -eq 'http' -and $uri.Host -match '^(localhost|127(\.\d{1,3}){3}|\[::1\])$'
    if ($uri.Scheme -ne 'https' -and -not $isHere) { throw "$base is not https" }
    return $base.TrimEnd('/')
}

function Get-Target {
    # A 32-bit or emulated PowerShell says what it is itself in PROCESSOR_ARCHITECTURE; the registry says what the machine is.
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    $machine = (Get-ItemProperty -Path $key -Name PROCESSOR_ARCHITECTURE).PROCESSOR_ARCHITECTURE
    switch ($machine) {
        'AMD64' { return 'windows_x64' }
        'ARM64' { return 'windows_arm64' }
        default { throw "there is no build for Windows on $machine" }
    }
}

# Redirects are followed by hand, so that every hop is https. A mirror on this machine may not redirect at all.
function Save-Url([string]$Url, [string]$File, [long]$MaxBytes) {
    $from = [Uri]$Url
    $uri = $from
    for ($hop = 0; $hop -le 5; $hop++) {
        $request = [Net.WebRequest]::Create($uri)
        $request.AllowAutoRedirect = $false
        $request.Timeout = 60000
        $request.ReadWriteTimeout = 60000
        if ($from.IsLoopback) { $request.Proxy = $null }
        try { $response = $request.GetResponse() } catch { throw "cannot download ${uri}: $($_.Exception.Message)" }
        try {
            if ([int]$response.StatusCode -ge 300) {
                $next = $null
                $known = [Uri]::TryCreate($uri, $response.Headers['Location'], [ref]$next)
                if (-not $known -or $from.Scheme -ne 'https' -or $next.Scheme -ne 'https') {
                    throw "$uri redirects to something that is not https"
                }
                $uri = $next
                continue
            }
            Copy-Bounded $response.GetResponseStream() $File $MaxBytes
            return
        } finally {
            $response.Close()
        }
    }
    throw "$Url redirects without end"
}

function Copy-Bounded([IO.Stream]$Source, [string]$File, [long]$MaxBytes) {
    $sink = New-Object IO.FileStream($File, [IO.FileMode]::Create, [IO.FileAccess]::Write)
    try {
        $buffer = New-Object byte[] 65536
        $total = 0
        while (($count = $Source.Read($buffer, 0, $buffer.Length)) -gt 0) {
            $total += $count
            if ($total -gt $MaxBytes) { throw 'the download is larger than it can be' }
            $sink.Write($buffer, 0, $count)
        }
    } finally {
        $sink.Dispose()
    }
}

# Exactly one well-formed line must name the archive.
function Get-Expected([string]$Sums, [string]$Archive) {
    $pattern = '^([0-9a-f]{64}) [ *]' + [regex]::Escape($Archive) + '$'
    $found = @(Get-Content -LiteralPath $Sums | ForEach-Object { if ($_ -cmatch $pattern) { $Matches[1] } })
    if ($found.Count -ne 1) { throw "checksums.txt does not name $Archive once; nothing was installed" }
    return $found[0]
}

# That one member, by its name: whatever else an archive may hold, no path in it is followed.
function Expand-Program([string]$Archive, [string]$File) {
    Add-Type -AssemblyName System.IO.Compression.FileSystem
    $zip = [IO.Compression.ZipFile]::OpenRead($Archive)
    try {
        $entry = $zip.GetEntry('runcode.exe')
        if ($null -eq $entry -or $entry.Length -eq 0) { throw 'the archive holds no runcode.exe; nothing was installed' }
        [IO.Compression.ZipFileExtensions]::ExtractToFile($entry, $File, $true)
    } finally {
        $zip.Dispose()
    }
}

# Windows lets a running program be renamed, not replaced: it is put aside, and comes back if the new one cannot take its place.
function Set-Program([string]$Staged, [string]$Program) {
    $previous = Join-Path (Split-Path $Program) '.runcode.previous.exe'
    if (Test-Path -LiteralPath $previous) { Remove-Item -LiteralPath $previous -Force }
    $had = Test-Path -LiteralPath $Program
    if ($had) { [IO.File]::Move($Program, $previous) }
    try {
        [IO.File]::Move($Staged, $Program)
    } catch {
        if ($had) { [IO.File]::Move($previous, $Program) }
        throw
    }
    # One that still runs goes with the next installation.
    if ($had) { Remove-Item -LiteralPath $previous -Force -ErrorAction SilentlyContinue }
}

function Show-PathHint([string]$Bin) {
    if (($env:Path -split ';') -contains $Bin) {
        Write-Output 'Next: runcode login'
        return
    }
    $quoted = $Bin.Replace("'", "''")
    Write-Output "$Bin is not on your PATH. To mend that, run this and open a new window:"
    Write-Output "  [Environment]::SetEnvironmentVariable('Path', [Environment]::GetEnvironmentVariable('Path', 'User') + ';$quoted', 'User')"
}

function Remove-Runcode([string]$Program, [string]$Receipt, [bool]$Dry) {
    if (-not (Test-Path -LiteralPath $Receipt)) { throw "there is no $Program that this script installed; elsewhere? say -Prefix DIR" }
    if ($Dry) {
        Write-Output "Would remove $Program and $Receipt"
        return
    }
    if (Test-Path -LiteralPath $Program) { Remove-Item -LiteralPath $Program -Force }
    Remove-Item -LiteralPath $Receipt -Force
    Write-Output "Removed $Program. Logins and settings were left alone."
}

function Install-Runcode([string]$Version, [string]$Prefix, [bool]$Dry, [bool]$Remove) {
    if (-not $Prefix) { $Prefix = Join-Path $env:LOCALAPPDATA 'Programs\runcode' }
    $Prefix = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Prefix)
    $bin = Join-Path $Prefix 'bin'
    $program = Join-Path $bin 'runcode.exe'
    # The program finds it from where it is itself.
    $data = Join-Path $Prefix 'share\runcode'
    $receipt = Join-Path $data 'install.json'
    if ($Remove) { return Remove-Runcode $program $receipt $Dry }

    $base = Get-DownloadBase
    $target = Get-Target
    $archive = "runcode_$target.zip"
    # Windows PowerShell 5.1 offers TLS 1.0 unless it is told otherwise.
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    $work = Join-Path ([IO.Path]::GetTempPath()) ('runcode-install-' + [Guid]::NewGuid().ToString('N'))
    $staged = Join-Path $bin ('.runcode.' + [Guid]::NewGuid().ToString('N') + '.exe')
    # Ctrl-C runs `finally` as well, so nothing is left behind.
    try {
        $null = New-Item -ItemType Directory -Path $work
        if (-not $Version) {
            Save-Url "$base/latest/download/version.txt" (Join-Path $work 'version.txt') 65536
            $Version = (Get-Content -LiteralPath (Join-Path $work 'version.txt') -TotalCount 1)
        }
        $Version = "$Version".Trim() -replace '^v', ''
        if ($Version -notmatch '^\d+\.\d+\.\d+(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$') { throw "not a version: $Version" }
        if ($Dry) {
            Write-Output "Would download $base/download/v$Version/$archive"
            Write-Output "Would install runcode $Version as $program"
            return
        }
        Write-Output "Downloading runcode $Version for $target"
        $sums = Join-Path $work 'checksums.txt'
        $file = Join-Path $work $archive
        Save-Url "$base/download/v$Version/checksums.txt" $sums 65536
        $expected = Get-Expected $sums $archive
        Save-Url "$base/download/v$Version/$archive" $file 536870912
        $actual = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash.ToLowerInvariant()
        if ($actual -cne $expected) {
            throw "$archive does not have the checksum that the release names; nothing was installed; expected $expected, got $actual"
        }
        $null = New-Item -ItemType Directory -Force -Path $bin, $data
        Expand-Program $file $staged
        $answer = "$(& $staged --version)".Trim()
        if ($answer -cne $Version) { throw "the build for $target does not run here; nothing was installed" }
        [IO.File]::WriteAllText($receipt, "{`"method`":`"script`",`"target`":`"$target`"}`n")
        Set-Program $staged $program
        Write-Output "Installed runcode $Version as $program"
        Show-PathHint $bin
    } finally {
        foreach ($left in @($staged, $work)) {
            if (Test-Path -LiteralPath $left) { Remove-Item -LiteralPath $left -Recurse -Force -ErrorAction SilentlyContinue }
        }
    }
}

$ErrorActionPreference = 'Stop'
try { Install-Runcode $Version $Prefix $DryRun.IsPresent $Uninstall.IsPresent } catch { [Console]::Error.WriteLine("runcode installer: $($_.Exception.Message)"); exit 1 }
