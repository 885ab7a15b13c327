// swift-tools-version: 6.2
// Kept apart so that the program builds without it. `make bench` runs it and fails where a budget of budgets.csv is exceeded.
import PackageDescription

let package = Package(
    name: "orrery-benchmarks",
    dependencies: [.package(name: "orrery", path: "..")],
    targets: [
        .executableTarget(
            name: "orrery-benchmarks", dependencies: [.product(name: "OrreryModules", package: "orrery")],
            swiftSettings: [.treatAllWarnings(as: .error)]),
        // `make simgrid`.
        .executableTarget(
            name: "fabric-against-simgrid", dependencies: [.product(name: "OrreryModules", package: "orrery")],
            swiftSettings: [.treatAllWarnings(as: .error)]),
        // `make weeks`.
        .executableTarget(
            name: "weeks-facts", dependencies: [.product(name: "OrreryModules", package: "orrery")],
            swiftSettings: [.treatAllWarnings(as: .error)]),
    ],
    swiftLanguageModes: [.v6]
)
