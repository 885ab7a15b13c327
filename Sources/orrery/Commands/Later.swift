import ArgumentParser

/// Commands that are agreed upon and not there yet, each with what it comes with. They are hidden, and say so when called.
let laterCommands: [any ParsableCommand.Type] = [
    Train.self, Claims.self, Serve.self,
]

struct Train: LaterCommand { static let comesWith = "co-simulation" }
struct Claims: LaterCommand { static let comesWith = "co-simulation" }
struct Serve: LaterCommand { static let comesWith = "the what-if page" }

protocol LaterCommand: ParsableCommand {
    static var comesWith: String { get }
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
