import ArgumentParser

/// Commands that are agreed upon and not there yet, each with what it comes with. They are hidden, and say so when called.
let laterCommands: [any ParsableCommand.Type] = [
    Claims.self
]

struct Claims: LaterCommand {
    static let comesWith = "co-simulation"
    @Argument(parsing: .allUnrecognized) var rest: [String] = []
}

protocol LaterCommand: ParsableCommand {
    static var comesWith: String { get }
    /// Taken, so that a call with a file is told the same.
    var rest: [String] { get }
}

extension LaterCommand {
    private static var commandName: String { "\(Self.self)".lowercased() }

    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: commandName, abstract: "Not available yet (comes with \(comesWith)).", shouldDisplay: false)
    }

    func run() throws {
        throw InputError("orrery \(Self.commandName): not available yet (comes with \(Self.comesWith))")
    }
}
