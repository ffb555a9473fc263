# A soft IOC of beamshare's own, with EPICS base only:  cd db; softIoc st.cmd
# Into an IOC that exists, take the dbLoadRecords line.

epicsEnvSet("P", "2bmb:")
epicsEnvSet("R", "Share:")

# Who may command: edit the users, then take the # away.
#asSetSubstitutions("SERVICE=beamshare,STAFF=user2bmb")
#asSetFilename("beamshare.acf")

dbLoadRecords("beamshare.db", "P=$(P),R=$(R)")

iocInit()
