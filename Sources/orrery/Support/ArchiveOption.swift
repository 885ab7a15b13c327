import Archive
import ArgumentParser
import Calibration
import Foundation
import Scenario
import Studies

/// Whether an answer is kept in the user's archive, and how.
struct ArchiveOption: ParsableArguments {
    @Flag(name: .customLong("no-archive"), help: "Do not keep this in the archive (see orrery help archive).") var isOff = false

    /// Keeps an answer that has been given. What goes wrong is a remark: the answer stands.
    func keep(_ output: OutputOptions, since start: ContinuousClock.Instant, _ entry: () -> ArchiveEntry) {
        guard !isOff, let path = RunArchive.path(environment: ProcessInfo.processInfo.environment) else { return }
        let wall = start.duration(to: .now) / .seconds(1)
        var entry = entry()
        (entry.time, entry.wall) = (Date().timeIntervalSince1970, wall)
        (entry.version, entry.calibration) = (programVersion, CalibrationFingerprint.shipped)
        do throws(ArchiveError) { try RunArchive(path: path, wait: 1000).keep(entry) } catch {
            output.note("archive: not kept: \(error) (--no-archive, or ORRERY_ARCHIVE=off, leaves it out)")
        }
    }
}

extension ArchiveEntry {
    /// What is kept of anything that was asked about a scenario.
    init(_ command: String, _ scenario: Scenario, result: String) {
        self.init(command: command, name: scenario.name)
        (hash, seed, self.scenario, self.result) = (scenario.hash, scenario.settings.seed, scenario.yaml, result)
    }

    mutating func take(_ answer: RunAnswer) {
        (step, mfu, fits) = (answer.result.step.timeS.mean, answer.result.step.mfu, answer.result.memory.fits)
        if answer.bill.totalUSD > 0 { dollars = answer.bill.totalUSD }
    }
}

/// The user's archive, for commands that read it.
func openArchive() throws -> RunArchive {
    guard let path = RunArchive.path(environment: ProcessInfo.processInfo.environment) else {
        throw InputError("archive: it is switched off (ORRERY_ARCHIVE=off), or there is no HOME; name its file in ORRERY_ARCHIVE")
    }
    do throws(ArchiveError) { return try RunArchive(path: path) } catch { throw InputError("archive: \(error)") }
}
