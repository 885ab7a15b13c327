import ArgumentParser
import Calibration
import Quantities
import Report
import Scenario

extension ExitCode {
    /// Done, but the answer is "does not fit" or "does not hold".
    static let doesNotHold = ExitCode(1)
    static let badInput = ExitCode(2)
    static let internalFault = ExitCode(3)
}

/// What is wrong with the input: a line for each fault.
struct InputError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Says on standard error what went wrong, and maps it to the exit status.
func exitStatus(reporting error: any Error) -> Int32 {
    switch error {
    case let code as ExitCode: return code.rawValue
    case let faults as ScenarioErrors:
        Console.error(faults.errors.map(withOption).joined(separator: "\n"))
        return ExitCode.badInput.rawValue
    case is InputError, is Fault, is Faults, is MeasurementFault, is FileError, is ReportError:
        Console.error("\(error)")
        return ExitCode.badInput.rawValue
    default:
        switch Orrery.exitCode(for: error) {
        // --help and --version arrive as errors.
        case .success:
            do { try Console.output(Orrery.fullMessage(for: error) + "\n") } catch { return exitStatus(reporting: error) }
            return ExitCode.success.rawValue
        case .validationFailure:
            Console.error(unknownCommand() ?? explained(Orrery.fullMessage(for: error)))
            return ExitCode.badInput.rawValue
        default:
            Console.error("orrery: internal fault: \(error)")
            return ExitCode.internalFault.rawValue
        }
    }
}

/// A fault of the file as it stands; one of a setting of the command line behind the option that set it.
private func withOption(_ fault: ScenarioError) -> String {
    let words = CommandLine.arguments
    if words.contains("--set=\(fault.file)") || zip(words, words.dropFirst()).contains(where: { $0 == "--set" && $1 == fault.file }) {
        return "--set \(fault)"
    }
    let isMeasurements = fault.file.hasPrefix("software.measurements=") && words.contains { $0.hasPrefix("--measurements") }
    return isMeasurements ? "--measurements: \(fault.reason)\(fault.suggestion.isEmpty ? "" : "; \(fault.suggestion)")" : "\(fault)"
}

/// What to say where the first word is no command; nil where it is one. The parser would only say that the word is unexpected.
private func unknownCommand() -> String? {
    guard let word = CommandLine.arguments.dropFirst().first, !word.hasPrefix("-") else { return nil }
    let known = Orrery.configuration.subcommands.map { ($0.configuration.commandName ?? $0._commandName, $0.configuration.shouldDisplay) }
    guard word != "help", !known.contains(where: { $0.0 == word }) else { return nil }
    let shown = known.filter(\.1).map(\.0)
    let advice = nearest(word, in: shown).map { "did you mean \"\($0)\"?" } ?? "commands are \(shown.joined(separator: ", "))"
    return "Error: there is no command \"\(word)\"; \(advice)"
}

/// Options that take several words take the file, too, where it stands behind them.
private func explained(_ message: String) -> String {
    let greedy = ["--vary", "--zip", "--schedules", "--recompute", "--kernels"].filter(CommandLine.arguments.contains)
    guard message.contains("Missing expected argument '<file"), let option = greedy.first else { return message }
    return message + "\n\(option) takes all words that follow it: write the file before it"
}
