import ArgumentParser
import Glibc
import Studies

/// The command line. Each command stands in a file of its own under Commands; exit statuses and messages are decided in Support/Failure.swift.
@main
struct Orrery: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "orrery",
        abstract: "Predicts what a training job does on a cluster: step time, utilization, memory, days and dollars.",
        discussion: """
            Exit status: 0 done; 1 done, but the job does not fit; 2 bad input; 3 internal fault.
            Answers go to standard output, remarks and errors to standard error.
            """,
        version: programVersion,
        subcommands: [
            Run.self, Compare.self, Validate.self, Calibrate.self, CatalogueCommand.self, Explain.self, ScenarioKeys.self, Collective.self,
            Traffic.self, Search.self, Sweep.self, Schedule.self, Import.self, Export.self, Quick.self, Init.self, Execute.self,
            ExecuteWorker.self, Train.self, ClaimsCommand.self, Advise.self, Serve.self, ArchiveCommand.self,
        ])

    static func main() {
        // A reader that goes away (| head) is seen by write(2) as an error, and ends nothing.
        signal(SIGPIPE, SIG_IGN)
        // So is a file that grows beyond what the system allows (ulimit -f).
        signal(SIGXFSZ, SIG_IGN)
        holdStandardDescriptors()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            Glibc.exit(exitStatus(reporting: error))
        }
    }

    /// A standard stream that was closed would lend its number to the next file that is opened, and the answer would end up in there. The number
    /// goes to something that cannot be written to, so that writing is the error it would have been.
    private static func holdStandardDescriptors() {
        for descriptor in 0...2 where fcntl(Int32(descriptor), F_GETFD) < 0 { _ = open("/dev/null", O_RDONLY) }
    }
}
