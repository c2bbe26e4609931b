// Formula/runcode.rb for Homebrew: the archives' addresses and the checksums that were computed of them.

export const RELEASES = "https://github.com/runcode-io/runcode-cli/releases";

/** Takes checksums by archive; gives the formula's text. Throws when one that it needs is missing. */
export function formula(version: string, checksums: ReadonlyMap<string, string>): string {
  const source = (archive: string): string => {
    const checksum = checksums.get(archive);
    if (!checksum) throw new Error(`there is no checksum of ${archive}`);
    return `      url "${RELEASES}/download/v${version}/${archive}"\n      sha256 "${checksum}"`;
  };
  // Homebrew on Linux promises no AVX2, so there it is the baseline build.
  return `# Written by \`npm run release\` from checksums.txt.
class Runcode < Formula
  desc "Reach a remote workspace over plain OpenSSH, with keys that live half an hour"
  homepage "https://runcode.io"
  version "${version}"
  license "MIT"

  on_macos do
    on_arm do
${source("runcode_darwin_arm64.tar.gz")}
    end
    on_intel do
${source("runcode_darwin_x64.tar.gz")}
    end
  end

  on_linux do
    on_arm do
${source("runcode_linux_arm64.tar.gz")}
    end
    on_intel do
${source("runcode_linux_x64-baseline.tar.gz")}
    end
  end

  def install
    bin.install "runcode"
    man1.install Dir["man/man1/*.1"]
    bash_completion.install "completions/runcode.bash" => "runcode" if File.exist? "completions/runcode.bash"
    zsh_completion.install "completions/_runcode" if File.exist? "completions/_runcode"
    fish_completion.install "completions/runcode.fish" if File.exist? "completions/runcode.fish"
  end

  test do
    assert_equal version.to_s, shell_output("#{bin}/runcode --version").strip
  end
end
`;
}
